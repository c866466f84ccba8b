import { heedPresses, placePresses } from './button-presses.js';
import { linkChats, type LinkedChat } from './chat-linking.js';
import type { Queryable } from '../postgres/database.service.js';
import { endpointOf } from '../work/endpoint-id.js';
import { intakeOf, NOTHING, type Intake } from './intake.js';
import type { ClientUpdateRow, StoredWords } from './intake.rows.js';
import { lockLanes } from '../work/lock-order.js';
import { growAlbums, mergeWords } from './albums.js';
import { BANNED, insertMessages, type NewMessage } from './message-rows.js';
import { appendDeliveries, type NewDelivery } from '../work/outbox.js';
import { firstSeen, updateSource } from './processed-events.js';
import { deleteByClient, quoteReplaced, reviseByClient, sortEdits, type ClientEdit } from './client-revisions.js';
import { markSeen } from './seen.js';
import { keepLinkPresses, nameLinks, type KeptUpdate } from './link-press.js';
import { thankForPhones } from './shared-phones.js';
import { heedStarts } from './start-press.js';
import { tellTriggers } from './trigger-listeners.js';
import { heedWishes } from './unsubscribing.js';
import { welcome } from './welcome.js';

/**
 * Keeps updates of any kind, in the order given. To be called in a transaction in which their bots are locked; see
 * lock-order.ts.
 */
export async function acceptUpdates(connection: Queryable, updates: ClientUpdateRow[]): Promise<Intake> {
  const keyed = updates.map((update) => ({
    update,
    source: updateSource(update.botId),
    key: String(update.updateId),
  }));
  const unseen = (await firstSeen(connection, keyed)).map(({ update }) => update);
  if (unseen.length === 0) return { ...NOTHING, duplicates: updates.length };
  const { updates: fresh, linkOf } = await nameLinks(
    connection,
    await placePresses(connection, await heedStarts(connection, unseen)),
  );
  const chatOf = await linkChats(connection, fresh);
  // No album leaves while it grows, and lanes are locked before messages.
  if (
    fresh.some(
      ({ albumId, edits, deletes, press, sharedPhone, unsubscribes }) =>
        albumId || edits || deletes || press || sharedPhone || unsubscribes,
    )
  ) {
    await lockLanes(
      connection,
      fresh.flatMap((update) => chatOf(update)?.id ?? []),
    );
  }
  const place = new Map(fresh.map((update, index) => [update, index]));
  const work: { at: number; delivery: NewDelivery }[] = [];
  const kept: KeptUpdate[] = [];
  const wishes = await heedWishes(connection, fresh, chatOf);
  const presses = await heedPresses(connection, fresh, chatOf);
  for (const [update, { closing }] of presses) {
    work.push(...closing.map((delivery) => ({ at: place.get(update)!, delivery })));
  }

  let accepted = 0;
  const keep = async (said: ClientUpdateRow[]): Promise<void> => {
    accepted += said.length;
    const { albums, single } = await gatherAlbums(connection, said, chatOf);
    const messages = [...albums, ...single].sort((a, b) => place.get(a.update)! - place.get(b.update)!);
    const deliveries = await insertMessages(
      connection,
      messages.map(({ message }) => message),
    );
    deliveries.forEach((delivery, index) => {
      if (!delivery) return;
      const { update } = messages[index]!;
      kept.push({ update, chat: chatOf(update)!, messageId: delivery.messageId });
      const waits = delivery.canWait === true && isKnownClosed(chatOf(update));
      const payload = presses.get(update)?.rating;
      work.push({ at: place.get(update)!, delivery: { ...delivery, waits, ...(payload ? { payload } : {}) } });
    });
  };

  let edits = fresh.flatMap((update) => editOf(update, chatOf(update)));
  const changing = new Set<ClientUpdateRow>(edits.map(({ update }) => update));
  await keep(fresh.filter((update) => update.said !== null && !changing.has(update)));
  while (edits.length > 0) {
    const { known, news } = await sortEdits(connection, edits);
    for (const edit of known) {
      for (const delivery of await reviseByClient(connection, edit)) {
        work.push({ at: place.get(edit.update)!, delivery });
      }
    }
    // The first is a message of its own, the ones after it are edits of that.
    const first = new Map(
      news.map((edit) => [`${edit.chat.id}/${edit.update.telegramMessageId}`, edit] as const).toReversed(),
    );
    const told = new Set(first.values());
    for (const edit of told) quoteReplaced(edit);
    await keep([...told].map(({ update }) => update));
    edits = news.filter((edit) => !told.has(edit));
  }
  for (const update of fresh) {
    const chat = chatOf(update);
    if (!update.deletes || !chat) continue;
    const deletion = { chat, telegramMessageIds: update.deletes, raw: update.said?.raw ?? {} };
    for (const delivery of await deleteByClient(connection, [deletion])) {
      work.push({ at: place.get(update)!, delivery });
    }
  }

  const seen = new Map(
    fresh.flatMap((update): [bigint, bigint][] => {
      const { id, unseen_message_id: newest } = (update.sawChat && chatOf(update)) || {};
      return id === undefined || newest === undefined || newest === null ? [] : [[id, newest]];
    }),
  );
  await markSeen(
    connection,
    [...seen].map(([chatId, newest]) => ({ chatId, newest })),
  );
  const ordered = work.sort((a, b) => a.at - b.at).map(({ delivery }) => delivery);
  const greetings = await welcome(
    connection,
    fresh.flatMap((update) => {
      const chat = update.starts && !update.said?.ignored ? chatOf(update) : null;
      return chat && !chat.banned ? [{ chat, text: linkOf(update)?.welcomeText ?? undefined }] : [];
    }),
  );
  const thanks = await thankForPhones(
    connection,
    fresh.flatMap((update) => {
      const chat = update.sharedPhone && !update.said?.ignored ? chatOf(update) : null;
      return chat && !chat.banned ? [{ chat, thanks: update.sharedPhone!.thanks }] : [];
    }),
  );
  const deliveries = [...ordered, ...wishes.values(), ...greetings, ...thanks];
  await appendDeliveries(connection, deliveries);
  await keepLinkPresses(connection, kept);
  await tellTriggers(connection, kept, { fresh, chatOf, linkOf, presses });
  return intakeOf(deliveries, accepted, updates.length - fresh.length);
}

/** No session of its dialog is open, as far as anybody told; a chat that has no dialog yet has no session. */
function isKnownClosed(chat: LinkedChat | null): boolean {
  return chat !== null && (chat.dialog_open === false || (chat.dialog_open === null && chat.bitrix_chat_id === null));
}

type Heard = { update: ClientUpdateRow; message: NewMessage };

function editOf(update: ClientUpdateRow, chat: LinkedChat | null) {
  const { edits, said, telegramMessageId } = update;
  if (!edits || !said || said.ignored || telegramMessageId === undefined || !chat) return [];
  // The same object: its place among the updates is looked up by it.
  return [{ update: update as ClientEdit['update'], chat }];
}

/** The messages that the updates bring; parts of one album become one, or join the one that waits already. */
async function gatherAlbums(
  connection: Queryable,
  updates: ClientUpdateRow[],
  chatOf: (update: ClientUpdateRow) => LinkedChat | null,
): Promise<{ albums: Heard[]; single: Heard[] }> {
  const single: Heard[] = [];
  const parts: { chatId: bigint; albumId: string; telegramMessageId: bigint; said: StoredWords; heard: Heard }[] = [];
  for (const update of updates) {
    const heard = { update, message: heardFrom(update, chatOf(update)) };
    const { albumId, telegramMessageId } = update;
    const { chatId, said, endpoint } = heard.message;
    if (albumId && chatId !== null && endpoint !== null && telegramMessageId !== undefined) {
      parts.push({ chatId, albumId, telegramMessageId, said, heard });
    } else single.push(heard);
  }
  const albums = new Map<string, Heard>();
  for (const { heard, chatId, albumId, telegramMessageId, said } of await growAlbums(connection, parts)) {
    const begun = albums.get(`${chatId}/${albumId}`)?.message;
    if (!begun) {
      albums.set(`${chatId}/${albumId}`, heard);
      continue;
    }
    begun.said = {
      ...begun.said,
      ...mergeWords(begun.said, said),
      notOwnWords: begun.said.notOwnWords && said.notOwnWords,
      attachments: [...(begun.said.attachments ?? []), ...(said.attachments ?? [])],
      raw: [begun.said.raw, said.raw].flat(),
    };
    begun.telegramMessageIds!.push(telegramMessageId);
  }
  return { albums: [...albums.values()], single };
}

function heardFrom(update: ClientUpdateRow, chat: LinkedChat | null): NewMessage {
  const ignored = update.said!.ignored ?? (chat?.banned ? BANNED : undefined);
  return {
    portalId: chat?.portal_id ?? null,
    botId: update.botId,
    chatId: chat?.id ?? null,
    direction: 'inbound',
    said: { ...update.said!, ignored },
    telegramMessageIds: update.telegramMessageId === undefined ? [] : [update.telegramMessageId],
    albumId: update.albumId,
    replyTo: update.replyTo,
    externalChatId: chat?.external_id ?? update.chat?.externalId ?? null,
    endpoint: chat && !ignored ? endpointOf('inbound', chat) : null,
  };
}
