import createClient from 'openapi-fetch';
import { reactive } from 'vue';
import { newKey } from '../shared/new-key';
import { answer, ApiError, serviceRoot } from '../shared/page-api';
import type { components, paths } from '../types/api.js';
import { isText, type Say } from './texts';

type Schemas = components['schemas'];
export type PanelState = Schemas['PanelState'];
export type PanelChat = Schemas['PanelChat'];
export type PanelAnswer = Schemas['PanelAnswer'];
export type PanelOther = Schemas['PanelOther'];

/** What the page knows from the start. */
export interface Bootstrap {
  session: string;
  portalOrigin: string;
  state: PanelState;
}

/** What the panel beside a dialog shows and does. */
export class Panel {
  chat: PanelChat | null;
  answers: PanelAnswer[];
  others: PanelOther[] = [];
  /** Why the last thing was not done; empty: it was. */
  problem = '';
  /** The session is over: nothing works any more until the page is opened again. */
  over = false;
  /** Id of the answer that is being sent. */
  sending = '';
  /** Ids of the answers that were sent from here. */
  sent: string[] = [];
  /** By the id of an answer, the key of its next press: it is the same until it is known that it was sent. */
  private readonly keys = new Map<string, string>();
  private readonly client;

  constructor(
    { session, state }: Bootstrap,
    private readonly say: Say,
  ) {
    this.chat = state.chat;
    this.answers = state.answers;
    const headers = { authorization: `Bearer ${session}`, 'accept-language': document.documentElement.lang };
    this.client = createClient<paths>({ baseUrl: serviceRoot('../..'), headers });
  }

  /** Chats of the client with other bots. */
  async readOthers(): Promise<void> {
    if (this.chat?.type !== 'private') return;
    // Nobody asked for them: without them nothing is missing.
    const { items } = await answer(this.client.GET('/b24/panel/api/others')).catch(() => ({ items: [] }));
    this.others = items;
  }

  /** Sends it once, however often it is pressed meanwhile, and again after an answer that did not come. */
  async send({ id, changedAt }: PanelAnswer): Promise<void> {
    if (this.sending !== '') return;
    this.sending = id;
    this.problem = '';
    const key = this.keys.get(id) ?? newKey();
    this.keys.set(id, key);
    try {
      const params = { path: { id } };
      await answer(this.client.POST('/b24/panel/api/answers/{id}/send', { params, body: { changedAt, key } }));
      this.keys.delete(id);
      this.sent.push(id);
    } catch (error) {
      this.problem = this.explain(error);
      if (error instanceof ApiError && error.code === 'answer_changed') await this.readAgain();
    } finally {
      this.sending = '';
    }
  }

  private async readAgain(): Promise<void> {
    try {
      ({ chat: this.chat, answers: this.answers } = await answer(this.client.GET('/b24/panel/api/state')));
    } catch (error) {
      this.problem = this.explain(error);
    }
  }

  private explain(error: unknown): string {
    if (!(error instanceof ApiError)) throw error;
    const { code, message: detail } = error;
    this.over = code === 'session_expired' || code === 'session_invalid';
    const text = `error_${code}`;
    return this.over ? '' : this.say(isText(text) ? text : 'error_other', { detail });
  }
}

export function openPanel(bootstrap: Bootstrap, say: Say): Panel {
  return reactive(new Panel(bootstrap, say)) as Panel;
}
