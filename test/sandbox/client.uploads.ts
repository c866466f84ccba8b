import type { AlbumItem } from '../support/telegram-simulator/client.files.js';
import type { MessageContent, SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import type { ShelvedFile } from './file.shelf.js';

/** core.telegram.org/bots/api#sendmediagroup; the app makes several albums of more. */
const ALBUM_LIMIT = 10;

/** What a client writes under a file. */
export type Caption = Pick<MessageContent, 'caption' | 'caption_entities'>;

/** A client sends files as the app does: those that belong together as albums, with the words under the first file. */
export function sendFiles(
  client: SimulatedClient,
  files: ShelvedFile[],
  caption: Caption = {},
  extra: MessageContent = {},
): void {
  for (const [index, album] of albumsOf(files).entries()) {
    sendTogether(client, album, index === 0 ? caption : {}, extra);
  }
}

/** A client puts a file in the place of a text, or of another file. */
export function putFileOver(
  client: SimulatedClient,
  messageId: number,
  file: ShelvedFile,
  caption: string | undefined,
): void {
  const { kind, ...content } = uploadOf(file);
  const words = { text: undefined, entities: undefined, caption } as unknown as MessageContent;
  client.editsFile(messageId, kind, content, words);
}

function sendTogether(client: SimulatedClient, files: ShelvedFile[], words: Caption, extra: MessageContent): void {
  const uploads = files.map(uploadOf);
  const [{ kind, ...content }] = uploads as [ReturnType<typeof uploadOf>];
  if (uploads.length === 1) return void client.sendsFile(kind, content, { ...words, ...extra });
  const items = uploads.map((upload, index) => ({ ...upload, caption: index === 0 ? words.caption : undefined }));
  client.sendsAlbum(items as AlbumItem[], extra);
}

function uploadOf({ kind, name, mime, content, duration }: ShelvedFile) {
  const emoji = kind === 'sticker' ? { emoji: '👋' } : {};
  return { kind, content, fileName: name, mimeType: mime, ...(duration !== undefined && { duration }), ...emoji };
}

/** Photos and videos together, documents and audio among their like, the rest alone. */
function albumsOf(files: ShelvedFile[]): ShelvedFile[][] {
  const albums: ShelvedFile[][] = [];
  for (const file of files) {
    const album = albums.at(-1);
    const family = familyOf(file);
    if (album && family !== null && familyOf(album[0]!) === family && album.length < ALBUM_LIMIT) album.push(file);
    else albums.push([file]);
  }
  return albums;
}

function familyOf({ kind }: ShelvedFile): string | null {
  if (kind === 'photo' || kind === 'video') return 'visual';
  return kind === 'document' || kind === 'audio' ? kind : null;
}
