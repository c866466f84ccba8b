import { afterAll, beforeAll, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { contents, forwardedFrom } from '../support/telegram-simulator/client.contents.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';
import { UPDATES } from '../fixtures/telegram/updates.js';

let bridge: Bridge;
const LANG = process.env.PROBE_LANG ?? 'en';
beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
}, 60_000);
afterAll(async () => bridge?.stop());
const now = 1_760_000_000;
const kinds: Record<string, (c: SimulatedClient) => unknown> = {
  entities: (c) => c.sends('bold code link @user #tag https://x.y/z [b]raw[/b] :)', { entities: [
    { type: 'bold', offset: 0, length: 4 }, { type: 'code', offset: 5, length: 4 }, { type: 'text_link', offset: 10, length: 4, url: 'https://e.x/a?b=1&c=[2]' } ] }),
  spoiler: (c) => c.sends('secret quote pre', { entities: [{ type: 'spoiler', offset: 0, length: 6 }, { type: 'blockquote', offset: 7, length: 5 }, {type:'pre', offset: 13, length: 3, language:'js'}] }),
  photo: (c) => c.sendsFile('photo', {}, { caption: 'cap' }),
  photoNoCap: (c) => c.sendsFile('photo'),
  spoilerPhoto: (c) => c.sendsFile('photo', {}, { has_media_spoiler: true }),
  document: (c) => c.sendsFile('document', { fileName: 'a.pdf' }),
  video: (c) => c.sendsFile('video'), animation: (c) => c.sendsFile('animation'), voice: (c) => c.sendsFile('voice'),
  videoNote: (c) => c.sendsFile('video_note'), audio: (c) => c.sendsFile('audio'),
  sticker: (c) => c.sendsFile('sticker'), tgs: (c) => c.sendsFile('sticker', { format: 'animated' }), webm: (c) => c.sendsFile('sticker', { format: 'video' }),
  livePhoto: (c) => c.sendsFile('live_photo', {}, { caption: 'alive' }),
  paid: (c) => c.sendsMessage(contents.paidMedia()),
  location: (c) => c.sendsMessage(contents.location()), venue: (c) => c.sendsMessage(contents.venue()),
  own: (c) => c.sendsMessage(contents.contact('79001112233', { id: c.id, first_name: 'Me' })),
  foreign: (c) => c.sendsMessage(contents.contact('+1 212 555', { first_name: 'Olga' })),
  poll: (c) => c.sendsMessage(contents.poll()), dice: (c) => c.sendsMessage(contents.dice()),
  game: (c) => c.sendsMessage(contents.game(bridge.bot)), story: (c) => c.sendsMessage(contents.story({ id: -1001, type: 'channel', title: 'News' } as never)),
  invoice: (c) => c.sendsMessage(contents.invoice()), checklist: (c) => c.sendsMessage(contents.checklist('Move', 'a', 'b')),
  gift: (c) => c.sendsMessage(contents.gift(bridge.bot, 'thx')),
  rich: (c) => c.sendsMessage(contents.richMessage([{ type: 'heading', size: 1, text: 'Order' } as never, { type: 'paragraph', text: ['a ', { type: 'bold', text: 'M' }] } as never])),
  fwUser: (c) => c.sends('hi', forwardedFrom.user({ id: 5, is_bot: false, first_name: 'Ann', username: 'ann' }, now)),
  fwHidden: (c) => c.sends('hi', forwardedFrom.hiddenUser('Someone', now)),
  fwChat: (c) => c.sends('hi', forwardedFrom.chat({ id: -5, type: 'supergroup', title: 'Group' } as never, now, 'sig')),
  fwChannel: (c) => c.sends('hi', forwardedFrom.channel({ id: -1005, type: 'channel', title: 'Chan', username: 'chan' } as never, 7, now, 'sig')),
  fwPhoto: (c) => c.sendsFile('photo', {}, { caption: 'cap', ...forwardedFrom.hiddenUser('Someone', now) }),
  via: (c) => c.sends('x', { via_bot: { id: 9, is_bot: true, first_name: 'G', username: 'gif' } }),
  extReply: (c) => c.sends('this', contents.externalReply({ type: 'hidden_user', date: now, sender_user_name: 'Bob' } as never)),
  start: (c) => c.starts('spring_2026'), startPlain: (c) => c.starts(),
  album: (c) => c.sendsAlbum([{ kind: 'photo', caption: 'three' }, { kind: 'photo' }, { kind: 'video' }]),
  blank: (c) => c.sends(' \u2060 '),
  longText: (c) => c.sends('x'.repeat(4096)),
  big: (c) => c.sendsFile('document', { content: { bytes: 25 << 20 }, fileName: 'big.zip' }, { caption: 'here' }),
  edit: (c) => { const u = c.sends('first'); c.edits(u.message.message_id, 'second'); },
  block: (c) => { c.sends('bye'); c.blocks(); c.unblocks(); },
  live: (c) => { const u = c.startsLiveLocation({ latitude: 1, longitude: 2 }); c.moves(u.message.message_id, { latitude: 1.5, longitude: 2 }); c.stopsLiveLocation(u.message.message_id); },
  editFile: (c) => { const u = c.sendsFile('photo', {}, { caption: 'old' }); setTimeout(() => c.editsFile(u.message.message_id, 'photo', {}, { caption: 'new' }), 1500); setTimeout(()=>c.editsFile(u.message.message_id, 'video'), 3000) },
  editCap: (c) => { const u = c.sendsFile('photo'); setTimeout(() => c.edits(u.message.message_id, 'now with words'), 1500); },
  editSticky: (c) => { const u = c.sends('hi', forwardedFrom.hiddenUser('Someone', now)); setTimeout(() => c.editsInvisibly(u.message.message_id), 1500); },
  react: (c) => { const u = c.sends('nice'); c.reacts(u.message.message_id, '👍'); c.reacts(u.message.message_id, undefined); },
};
it('prints', async () => {
  let id = 5000;
  const convs: [string, Conversation][] = [];
  for (const [name, send] of Object.entries(kinds)) {
    const conv = Conversation.of(bridge, id++, { language_code: LANG });
    send(conv.client);
    convs.push([name, conv]);
  }
  const seen = new Set<string>();
  for (const [name, update] of Object.entries(UPDATES)) {
    const u = structuredClone(update) as any; delete u.update_id;
    void name; void u; void seen;
  }
  await sleep(12_000);
  const items = await bridge.messages();
  for (const [name, conv] of convs) {
    console.info(`\n=== ${name}`);
    for (const m of conv.dialog.messages) console.info(`[${m.author}]`, JSON.stringify(m.text), m.externalIds.join(), m.files.map((f) => `${f.name}|${f.mime}|${f.size}`).join(' ; '), m.edited ? 'EDITED' : '', m.deleted ? 'DELETED' : '');
    for (const i of items.filter((x) => x['externalChatId'] === `tg:${conv.client.id}`)) if (i['state'] !== 'delivered') console.info('   HIST', i['state'], i['kind'], i['text'], JSON.stringify(i['error']));
  }
  console.info(bridge.program.log.filter((l) => !l.includes('"level":30') && !/"level":"info"/.test(l)).slice(-20).join('\n'));
}, 90_000);
