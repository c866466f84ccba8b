import createClient from 'openapi-fetch';
import { asBody, keptName } from '../shared/files/upload';
import { answer, serviceRoot, type Outcome } from '../shared/page-api';
import type { components, paths } from '../types/api.js';

/** The API of the settings page. Types come from docs/openapi.json. */
type Schemas = components['schemas'];

/** How Telegram's updates reach the service. */
export type BotMode = Schemas['BotModeBody']['mode'];
export type LineOptions = Schemas['LineOptions'];
export type LineSettings = Schemas['LineSettings'];
export type CheckedLine = Schemas['CheckedLine'];
export type ChainLink = Schemas['ChainLink'];
export type LinkItem = Schemas['LinkItem'];
export type AnswerItem = Schemas['AnswerItem'];
export type AnswerPreview = Schemas['AnswerPreview'];
export type BotRequestItem = Schemas['BotRequestItem'];
export type NewBotLink = Schemas['NewBotLink'];
export type FeatureItem = Schemas['FeatureItem'];
export type FeatureBody = Schemas['FeatureBody'];

/** What the page knows from the start. */
export interface Bootstrap {
  session: string;
  portalOrigin: string;
  state: LineSettings;
}

/** Calls of the page's own API; each throws {@link ApiError}. */
export class SettingsApi {
  private readonly client;

  constructor(session: string) {
    // What the service words itself is in the language of the page, whatever that of the browser.
    const headers = { authorization: `Bearer ${session}`, 'accept-language': document.documentElement.lang };
    this.client = createClient<paths>({ baseUrl: serviceRoot('..'), headers });
  }

  check = () => answer(this.client.POST('/b24/settings/api/check'));
  repair = () => answer(this.client.POST('/b24/settings/api/repair'));
  connect = (body: Schemas['BotTokenBody']) => answer(this.client.POST('/b24/settings/api/bot', { body }));
  renewToken = () => answer(this.client.POST('/b24/settings/api/bot/new-token'));
  makeBot = (lineName?: string) => answer(this.client.POST('/b24/settings/api/bot-request', { body: { lineName } }));
  botRequest = () => answer(this.client.GET('/b24/settings/api/bot-request'));
  receiveBy = (mode: BotMode) => answer(this.client.PATCH('/b24/settings/api/bot', { body: { mode } }));
  change = (body: Schemas['LineChangeBody']) => answer(this.client.PATCH('/b24/settings/api/options', { body }));
  features = () => answer(this.client.GET('/b24/settings/api/features'));
  chooseFeature = (feature: FeatureItem['feature'], body: Schemas['FeatureBody']) =>
    answer(this.client.PATCH('/b24/settings/api/features/{feature}', { params: { path: { feature } }, body }));
  disconnect = () => answer(this.client.POST('/b24/settings/api/disconnect'));

  links = () => answer(this.client.GET('/b24/settings/api/links'));
  makeLink = (body: Schemas['LineLinkBody']) => answer(this.client.POST('/b24/settings/api/links', { body }));
  removeLink = (id: string) => answer(this.client.DELETE('/b24/settings/api/links/{id}', { params: { path: { id } } }));

  answers = () => answer(this.client.GET('/b24/settings/api/answers'));
  makeAnswer = (body: Schemas['AnswerChangeBody']) => answer(this.client.POST('/b24/settings/api/answers', { body }));
  changeAnswer = (id: string, body: Schemas['AnswerChangeBody']) =>
    answer(this.client.PATCH('/b24/settings/api/answers/{id}', { params: { path: { id } }, body }));
  removeAnswer = (id: string) =>
    answer(this.client.DELETE('/b24/settings/api/answers/{id}', { params: { path: { id } } }));
  previewAnswer = (text: string) => answer(this.client.POST('/b24/settings/api/answers/preview', { body: { text } }));
  keepAnswerFile = (id: string, file: File) =>
    answer(
      this.client.PUT('/b24/settings/api/answers/{id}/files/{name}', {
        params: { path: { id, name: keptName(file.name) } },
        ...asBody(file),
      }),
    );
  removeAnswerFile = (id: string, name: string) =>
    answer(this.client.DELETE('/b24/settings/api/answers/{id}/files/{name}', { params: { path: { id, name } } }));

  /** Address of the link's QR code inside the page. */
  async qrCode(id: string): Promise<string> {
    const call = this.client.GET('/b24/settings/api/links/{id}/qr.svg', { params: { path: { id } }, parseAs: 'blob' });
    return URL.createObjectURL((await answer(call as Promise<Outcome<unknown>>)) as Blob);
  }

  /** Address of the bot's picture inside the page; null: it has none, or it cannot be had now. */
  async picture(): Promise<string | null> {
    const call = await this.client.GET('/b24/settings/api/picture', { parseAs: 'blob' }).catch(() => null);
    return call?.data && call.response.status === 200 ? URL.createObjectURL(call.data) : null;
  }
}
