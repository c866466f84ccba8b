import createClient from 'openapi-fetch';
import type { PageWish } from '../shared/conversation/pages';
import { asBody, keptName } from '../shared/files/upload';
import { answer, serviceRoot, type Outcome } from '../shared/page-api';
import type { components, paths } from '../types/api.js';

type Schemas = components['schemas'];

export type CardState = Schemas['CardState'];
export type CardChat = Schemas['CardChat'];
export type CardMessage = Schemas['CardMessage'];
export type LinkItem = Schemas['LinkItem'];

/** What the page knows from the start. */
export interface Bootstrap {
  session: string;
  portalOrigin: string;
  state: CardState;
}

/** Calls of the tab's own API; each throws an ApiError. */
export class CardApi {
  private readonly client;

  constructor(session: string) {
    // What the service words itself is in the language of the page, whatever that of the browser.
    const headers = { authorization: `Bearer ${session}`, 'accept-language': document.documentElement.lang };
    this.client = createClient<paths>({ baseUrl: serviceRoot('../..'), headers });
  }

  state = (signal?: AbortSignal) => answer(this.client.GET('/b24/card/api/state', { signal: signal ?? null }));
  messages = (id: string, query: PageWish, signal: AbortSignal) =>
    answer(this.client.GET('/b24/card/api/chats/{id}/messages', { params: { path: { id }, query }, signal }));
  write = (id: string, body: Schemas['CardWords']) =>
    answer(this.client.POST('/b24/card/api/chats/{id}/messages', { params: { path: { id } }, body }));
  keepFile = (id: string, file: File) =>
    answer(
      this.client.PUT('/b24/card/api/chats/{id}/files/{name}', {
        params: { path: { id, name: keptName(file.name) } },
        ...asBody(file),
      }),
    );
  seen = (id: string, messageId: string) =>
    answer(this.client.POST('/b24/card/api/chats/{id}/seen', { params: { path: { id } }, body: { messageId } }));
  invite = (lineId: string) => answer(this.client.POST('/b24/card/api/invitations', { body: { lineId } }));

  /** Address of the invitation's QR code inside the page. */
  async qrCode(id: string): Promise<string> {
    const call = this.client.GET('/b24/card/api/invitations/{id}/qr.svg', {
      params: { path: { id } },
      parseAs: 'blob',
    });
    return URL.createObjectURL((await answer(call as Promise<Outcome<unknown>>)) as Blob);
  }
}
