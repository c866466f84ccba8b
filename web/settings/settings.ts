import { inject, provide, reactive, type InjectionKey } from 'vue';
import { ApiError } from '../shared/page-api';
import { SettingsApi, type Bootstrap, type ChainLink, type CheckedLine, type LineSettings } from './api';
import { isText, type Say } from './texts';

/** After a change Telegram and the portal need a moment: what is not well then is looked at again. */
const SETTLING_MS = [1_500, 3_000, 5_000];

/** The settings of the line, and everything that may be done with them. */
export class Settings {
  readonly api: SettingsApi;
  line: LineSettings;
  lineName: string | null = null;
  /** null: not asked yet. */
  links: ChainLink[] | null = null;
  checking = false;
  /** The session is over: nothing works any more until the page is opened again. */
  over = false;
  /** What was done last, for whoever listens to the page. */
  news = '';
  private round = 0;

  constructor(
    { session, state }: Bootstrap,
    readonly say: Say,
  ) {
    this.api = new SettingsApi(session);
    this.line = state;
  }

  get botName(): string {
    const { bot } = this.line;
    return bot?.username ? `@${bot.username}` : (bot?.name ?? '');
  }

  /** Of several that run, only the answer of the latest counts. */
  async check(work: () => Promise<CheckedLine> = this.api.check) {
    const round = ++this.round;
    this.checking = true;
    try {
      const { links, lineName, ...line } = await work();
      if (round !== this.round) return;
      this.line = line;
      this.lineName = lineName ?? this.lineName;
      this.links = links;
    } finally {
      if (round === this.round) this.checking = false;
    }
  }

  /** Makes a change, then finds out what came of it. */
  async apply(change: () => Promise<LineSettings>, done: (line: LineSettings) => string): Promise<void> {
    this.line = await change();
    this.news = done(this.line);
    void this.settle();
  }

  private async settle(): Promise<void> {
    for (const ms of SETTLING_MS) {
      const { round } = this;
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (round !== this.round || this.over) return;
      await this.check().catch(() => undefined);
      if (this.links?.every(({ ok }) => ok)) return;
    }
  }

  /** What went wrong, in the reader's language. */
  explain(error: unknown): string {
    if (!(error instanceof ApiError)) throw error;
    const { code, message: detail, extra } = error;
    if (code === 'session_expired' || code === 'session_invalid') {
      this.over = true;
      return this.say('sessionOver');
    }
    const text = `error_${code}`;
    const params = Object.entries(extra).map(([name, value]) => [name, String(value)]);
    return this.say(isText(text) ? text : 'error_other', { ...Object.fromEntries(params), detail });
  }
}

const KEY: InjectionKey<Settings> = Symbol('settings');

export function provideSettings(bootstrap: Bootstrap, say: Say): Settings {
  const settings = reactive(new Settings(bootstrap, say)) as Settings;
  provide(KEY, settings);
  return settings;
}

export function useSettings(): Settings {
  return inject(KEY)!;
}
