import { inject, markRaw, onScopeDispose, provide, reactive, type InjectionKey } from 'vue';
import { QueryClient } from '@tanstack/vue-query';
import type { Draft } from '../shared/conversation/draft';
import type { SaidMessage } from '../shared/conversation/words';
import { Uploads } from '../shared/files/uploads';
import { formatsIn } from '../shared/format';
import type { Language } from '../shared/i18n';
import { ApiError } from '../shared/page-api';
import { CardApi, type Bootstrap, type CardChat, type CardState } from './api';
import { textsIn, type Texts } from './texts';

const EVERY_MS = 10_000;
/** Where there is no conversation yet, the client may be about to come. */
const WAITING_MS = 5_000;
const AGAIN_MS = 5_000;
/** The service counts no further. */
export const COUNTED = 100;

/** What the tab knows and does. */
export class Card {
  readonly api: CardApi;
  readonly t: Texts;
  readonly formats: ReturnType<typeof formatsIn>;
  readonly client: QueryClient;
  state: CardState;
  /** Why nothing works any more until the page is opened again. */
  over = '';
  chosenId: string | null;
  private readonly uploads = markRaw(new Uploads());

  constructor({ session, state }: Bootstrap, language: Language) {
    this.api = markRaw(new CardApi(session));
    this.t = textsIn(language);
    this.formats = formatsIn(() => language);
    // Its private parts are not to be found through a proxy.
    this.client = markRaw(new QueryClient());
    this.state = state;
    this.chosenId = firstOf(state.chats);
  }

  get chosen(): CardChat | undefined {
    return this.state.chats.find(({ id }) => id === this.chosenId);
  }

  /** Never rejects: what cannot be read now is read again. */
  async refresh(): Promise<void> {
    try {
      this.state = await this.api.state();
      if (!this.chosen) this.chosenId = firstOf(this.state.chats);
    } catch (error) {
      this.ends(error);
    }
  }

  get everyMs(): number {
    return this.state.chats.length > 0 ? EVERY_MS : WAITING_MS;
  }

  /** Writes to the client; answers why it was not sent, null where it was. */
  async write(chatId: string, { text, files, key }: Draft): Promise<string | null> {
    try {
      const ids = await this.uploads.ids(files, (file) => this.api.keepFile(chatId, file));
      await this.api.write(chatId, { text, key, files: ids });
      await this.client.refetchQueries({ queryKey: ['conversation', chatId] });
      return null;
    } catch (error) {
      if (this.ends(error)) return this.over;
      this.uploads.forget(error, files);
      return error instanceof ApiError ? (this.t.refused(error) ?? this.t.notSent) : this.t.notSent;
    }
  }

  /** They have it before their eyes: the mark goes at once, here and for the next time. */
  async seen(chatId: string, messageId: string): Promise<void> {
    const chat = this.state.chats.find(({ id }) => id === chatId);
    if (!chat || chat.unread === 0) return;
    try {
      await this.api.seen(chatId, messageId);
      chat.unread = 0;
    } catch (error) {
      this.ends(error);
    }
  }

  authorOf = ({ authorName, authorId, direction, kind }: SaidMessage): string => {
    if (authorName) return authorName;
    const source = this.t.sources[kind];
    if (direction === 'outbound' && source) return source;
    return direction === 'outbound' && authorId && authorId !== '0'
      ? this.t.operator(authorId)
      : this.t.directions[direction];
  };

  /** True: the page has to be opened again, whatever is done. */
  ends(error: unknown): boolean {
    if (!(error instanceof ApiError)) return false;
    if (error.code === 'session_expired' || error.code === 'session_invalid') this.over = this.t.sessionOver;
    if (error.code === 'no_access') this.over = this.t.noAccess;
    return this.over !== '';
  }
}

/** The one with news, else the first. */
export function firstOf(chats: readonly Pick<CardChat, 'id' | 'unread'>[]): string | null {
  return (chats.find(({ unread }) => unread > 0) ?? chats[0])?.id ?? null;
}

/** `3`, `99+`. */
export function badge(unread: number): string {
  return unread >= COUNTED ? `${COUNTED - 1}+` : String(unread);
}

const KEY: InjectionKey<Card> = Symbol('card');

export function provideCard(bootstrap: Bootstrap, language: Language): Card {
  const card = reactive(new Card(bootstrap, language)) as Card;
  card.client.setDefaultOptions({
    queries: { networkMode: 'always', retry: (_, error) => !card.ends(error), retryDelay: AGAIN_MS },
  });
  provide(KEY, card);
  return card;
}

export function useCard(): Card {
  return inject(KEY)!;
}

/** Reads it again and again while somebody looks. */
export function keepFresh(card: Card): void {
  let timer: ReturnType<typeof setTimeout>;
  const later = () => {
    timer = setTimeout(() => void look(), card.everyMs);
  };
  const look = async () => {
    if (card.over) return;
    if (!document.hidden) await card.refresh();
    later();
  };
  const back = () => {
    if (document.hidden || card.over) return;
    clearTimeout(timer);
    void look();
  };
  document.addEventListener('visibilitychange', back);
  later();
  onScopeDispose(() => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', back);
  });
}
