import { expect, it } from 'vitest';
import type { RestClient } from '../../bitrix/rest.client.js';
import type { IntakeService } from '../../relay/intake.service.js';
import type { OperatorChange, OperatorMessage } from '../../relay/message.js';
import type { ActiveDialog, ChatsRepository } from '../../storage/history/chats.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { MissedMessagesService } from './missed-messages.service.js';

const HOUR_MS = 3_600_000;

it('brings answers of the last day, and changes of the last three, and nothing that is older', async () => {
  const ago = (hours: number) => new Date(Date.now() - hours * HOUR_MS).toISOString();
  const message = (id: number, hours: number, params: object) => ({
    id,
    senderid: '27',
    text: `said ${id}`,
    date: ago(hours),
    params,
  });
  const history = {
    sessionId: 7,
    chatId: 1760,
    message: [
      message(1, 25, { sending: 'Y' }),
      message(2, 23, { sending: 'Y' }),
      message(3, 73, { is_edited: 'Y' }),
      message(4, 71, { is_edited: 'Y' }),
    ],
  };
  const callBatch = (_portalId: bigint, commands: object) =>
    Promise.resolve({
      results: Object.fromEntries(Object.keys(commands).map((key) => [key, { ok: true, result: history }])),
    });
  const found: { messages: OperatorMessage[]; changes: OperatorChange[] } = { messages: [], changes: [] };
  const recover = ({ messages, changes }: typeof found) => {
    found.messages.push(...messages);
    found.changes.push(...changes);
    return Promise.resolve(0);
  };
  const service = new MissedMessagesService(
    { callBatch } as unknown as RestClient,
    { saveLookedSessions: () => Promise.resolve() } as unknown as ChatsRepository,
    { recover } as unknown as IntakeService,
  );
  const dialog = {
    chatId: 1n,
    externalId: 'tg:777',
    lineId: '7',
    bitrixChatId: '1760',
    bitrixSessionId: '7',
    lookedSessionId: '7',
    createdAt: new Date(0),
    asOf: new Date(),
  } as unknown as ActiveDialog;
  const portal = { id: 1n, connectorId: 'tg_bridge' } as PortalRecord;
  await service.lookInto(portal, [dialog], new AbortController().signal);
  expect(found.messages.map(({ bitrixMessageId }) => bitrixMessageId)).toEqual(['2']);
  expect(found.changes.map(({ bitrixMessageId }) => bitrixMessageId)).toEqual(['4']);
});
