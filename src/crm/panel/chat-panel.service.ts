import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { PanelChatsRepository, type PanelChatRow } from '../../storage/crm/panel-chats.repository.js';
import type { ReadyAnswerRow } from '../../storage/crm/ready-answers.repository.js';
import { inTurns, previewOf } from '../answers/answer-preview.js';
import { ANSWER_TEXT_LIMIT } from '../answers/answers.dto.js';
import { AnswersService } from '../answers/answers.service.js';
import { fileItem } from '../files/kept-file.js';
import { KeptFiles } from '../files/kept-files.service.js';
import type { FrameKind } from '../frames/frame-kind.js';
import type { FrameSubject } from '../frames/frame-place.parser.js';
import type { Viewer } from '../frames/frame-sessions.js';
import { PortalFrames } from '../frames/portal-frames.service.js';
import { ViewerNames } from '../frames/viewer-names.service.js';
import { ViewerRights } from '../frames/viewer-rights.service.js';
import { SendRequests } from '../requests/send-requests.service.js';
import { answerText, answerWords, byLanguage } from './chat-answers.js';
import type { PanelAnswer, PanelChat, PanelOther, PanelSendBody, PanelSent, PanelState } from './panel.dto.js';

/** Last part of the panel's address, and the kind of its sessions. */
export const CHAT_PANEL = 'chat';

const SOURCES_SHOWN = 3;
/** Each is asked about on the portal. */
const OTHERS_SHOWN = 3;

/** The panel beside a dialog of open lines: who its client is, and answers that are ready. Throws Problems. */
@Injectable()
export class ChatPanel implements FrameKind, OnModuleInit {
  readonly kind = CHAT_PANEL;
  readonly page = 'panel';
  readonly features = ['chat_panel'] as const;

  constructor(
    private readonly frames: PortalFrames,
    private readonly rights: ViewerRights,
    private readonly chats: PanelChatsRepository,
    private readonly answers: AnswersService,
    private readonly files: KeptFiles,
    private readonly viewers: ViewerNames,
    private readonly requests: SendRequests,
  ) {}

  onModuleInit(): void {
    this.frames.register(this);
  }

  isAbout(subject: FrameSubject): boolean {
    return 'dialog' in subject;
  }

  title(): string {
    return 'Telegram';
  }

  async open(viewer: Viewer): Promise<{ state: PanelState }> {
    return { state: await this.state(viewer) };
  }

  async state(viewer: Viewer): Promise<PanelState> {
    const chat = await this.chatOf(viewer);
    if (!chat) return { chat: null, answers: [] };
    const [sources, answers] = [
      await this.chats.arrivals(viewer.portalId, chat.id, SOURCES_SHOWN),
      await this.answersFor(viewer, chat),
    ];
    return {
      chat: { ...panelChat(chat), sources: sources.map(({ pressedAt, ...source }) => ({ ...source, at: pressedAt })) },
      answers: await inTurns(byLanguage(answers, chat.language), (answer) => panelAnswer(answer, chat)),
    } as PanelState;
  }

  /** The client's chats with other bots of the portal, as far as the viewer may see them. */
  async others(viewer: Viewer): Promise<PanelOther[]> {
    const chat = await this.chatOf(viewer);
    if (!chat) return [];
    const { origin } = new URL(viewer.portal.clientEndpoint);
    const seen: PanelOther[] = [];
    for (const { bitrixChatId, lineId, state, lastAt, ...bot } of await this.chats.others(
      viewer.portalId,
      chat.id,
      OTHERS_SHOWN,
    )) {
      if (!(await this.maySee(viewer, bitrixChatId))) continue;
      // On the cloud and in boxes, old and new: `Bitrix\Im\Dialog::getLink` makes the same (im/lib/dialog.php); the messenger
      // goes on to open lines where it finds that the chat is one of theirs, and only new ones know IM_LINES.
      const url = `${origin}/online/?IM_DIALOG=chat${bitrixChatId}`;
      seen.push({ bot: nameOf(bot), lineId, state, lastAt, url });
    }
    return seen;
  }

  /** In the name of whoever looks, as their line names them; once for each key. */
  async send(viewer: Viewer, answerId: bigint, { changedAt, key }: PanelSendBody): Promise<PanelSent> {
    const chat = await this.chatOf(viewer);
    if (!chat) throw new Problem(404, 'no_chat', 'This dialog is of no client of ours.');
    const request = {
      portalId: viewer.portalId,
      source: 'answer' as const,
      key: `${viewer.userId}:${chat.id}:${answerId}:${key}`,
    };
    // Whatever has become of the answer since: it was sent as they saw it.
    const known = await this.requests.find(request);
    if (known) return { messageId: known.messageId?.toString() ?? null, isRepeated: true };
    const answer = (await this.answersFor(viewer, chat)).find(({ id }) => id === answerId);
    if (!answer || answer.changedAt.getTime() !== Date.parse(changedAt)) throw answerChanged();
    const words = answerWords(answer, chat);
    if (!words) throw new Problem(409, 'answer_empty', 'The answer has neither text nor files.');
    if (words.text.length > ANSWER_TEXT_LIMIT) {
      const limit = ANSWER_TEXT_LIMIT;
      throw new Problem(
        409,
        'answer_too_long',
        `With the client's name the answer has more than ${limit} characters.`,
        {
          limit,
        },
      );
    }
    // Before the commit: what is on its way is kept until it is sent.
    if (!(await this.files.noteUse({ answerId: answer.id }, answer.files))) throw answerChanged();
    const sent = await this.requests.send({
      ...request,
      chatId: chat.id,
      words,
      author: { id: viewer.userId, name: await this.viewers.onLine(viewer, chat.lineId) },
    });
    if (!('request' in sent)) throw new Problem(404, 'no_chat', 'This dialog is of no client of ours.');
    return { messageId: sent.request.messageId?.toString() ?? null, isRepeated: sent.status === 'known' };
  }

  /** Null: none of ours. Throws where the viewer may not see the dialog. */
  private async chatOf(viewer: Viewer): Promise<PanelChatRow | null> {
    const dialog = dialogOf(viewer);
    await this.rights.dialog(viewer, dialog);
    return this.chats.find(viewer.portalId, dialog);
  }

  /** Of a bot that serves no line now, those of every line. */
  private async answersFor({ portalId }: Viewer, { lineId }: PanelChatRow): Promise<ReadyAnswerRow[]> {
    const answers = await this.answers.list({ portalId, ...(lineId !== null && { lineId }) });
    return answers.filter((answer) => answer.lineId === null || answer.lineId === lineId);
  }

  private async maySee(viewer: Viewer, bitrixChatId: string): Promise<boolean> {
    try {
      await this.rights.dialog(viewer, bitrixChatId);
      return true;
    } catch (error) {
      if (error instanceof Problem && error.code === 'no_access') return false;
      throw error;
    }
  }
}

function answerChanged(): Problem {
  return new Problem(409, 'answer_changed', 'The answer was changed or deleted meanwhile: look at it again.');
}

function dialogOf({ subject }: Viewer): string {
  if ('dialog' in subject) return subject.dialog;
  throw new Problem(400, 'frame_malformed', 'The page stands in no chat.');
}

function panelChat({ bannedAt, createdAt, lastInboundAt, ...chat }: PanelChatRow): Omit<PanelChat, 'sources'> {
  const { type, title, username, language, phone, lineId, state } = chat;
  const [bot, banned] = [nameOf(chat), bannedAt !== null];
  return {
    type,
    title,
    username,
    language,
    phone,
    bot,
    lineId,
    state,
    banned,
    since: createdAt,
    lastAt: lastInboundAt,
  };
}

function panelAnswer(answer: ReadyAnswerRow, chat: PanelChatRow): PanelAnswer {
  const { id, title, shortcut, language, files, changedAt } = answer;
  const text = answerText(answer, chat);
  return {
    id: id.toString(),
    title,
    shortcut,
    text,
    language,
    files: files.map(fileItem),
    preview: previewOf(text),
    changedAt,
  };
}

function nameOf({ botUsername, botName }: Pick<PanelChatRow, 'botUsername' | 'botName'>): string {
  return botUsername ? `@${botUsername}` : (botName ?? '');
}
