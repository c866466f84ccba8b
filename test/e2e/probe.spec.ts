import { afterAll, beforeAll, it } from 'vitest';
import { setTimeout as sleep } from 'node:timers/promises';
import { Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
let bridge: Bridge;
beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
}, 60_000);
afterAll(async () => bridge?.stop());
const texts = [
  '[b]bold[/b] [i]it[/i] [u]un[/u] [s]st[/s] [code]a[b]c[/b][/code] [url=https://a.b/c]link[/url] [url]https://x.y[/url]',
  '[quote]said[/quote]answer', '[list][*]one[*]two[/list]', '[user=27]Sam[/user] :) ;) [icon=http://a/b.png title=smile] [disk=12] [color=#ff0000]red[/color] [size=20]big[/size]',
  '[list=1][*]one[*]two[/list]after', '[x]unknown[/x] [b unclosed', '>>quoted line\nanswer', '[br]a[br]b', '[put=/cmd]do[/put] [send=/x]say[/send] [call=+7999]Call[/call] [timestamp=1760000000 format=f]', '&lt;b&gt; &amp; &quot;', '[img]https://a.b/c.png[/img] [video]https://y.t/x[/video] [p]par[/p][p]two[/p] [table][tr][td]c[/td][/tr][/table]', ':cat_face: 😀 <img src="/x.png" data-code=":D" title="s" />', '[b][/b]', '   ',
  '[url=javascript:alert(1)]click[/url] [url=/company/personal/]local[/url] [b][url=https://q.w]bl[/url][/b] [chat=12]room[/chat]', '#tag @mention https://auto.link a@b.ru +7 999 123-45-67',
];
it('prints', async () => {
  const c = await Conversation.begin(bridge, 5000);
  const op = bridge.portal.operator({ id: 27, name: 'Sam' });
  for (const t of texts) op.sends('tg:5000', t);
  op.sends('tg:5000', { attach: [{ ID: 1, BLOCKS: [{ MESSAGE: 'card text' }, { LINK: { NAME: 'nm', LINK: 'https://l.k' } }] }] } as never);
  op.sends('tg:5000', { text: 'with rich', attach: [{ BLOCKS: [{ RICH_LINK: [{ LINK: 'https://shop/1', NAME: 'Boots', DESC: 'good', PREVIEW: 'https://p/x.png' }] }] }] } as never);
  op.sends('tg:5000', { params: { url: 'https://only.url' } } as never);
  op.sends('tg:5000', { text: '', files: [{ name: 'a.webp', mime: 'image/webp', content: 'xx' }] });
  op.sends('tg:5000', { text: 'empty', files: [{ name: 'empty.txt', mime: 'text/plain', content: '' }] });
  await sleep(26_000);
  for (const e of bridge.telegram.ledger().filter((x) => x.chatId === 5000)) console.info(e.kind, JSON.stringify(e.text || e.caption), JSON.stringify(e.entities), e.file?.fileName ?? '');
  console.info(c.notes);
  for (const i of await bridge.messages('&direction=outbound')) if (i['state'] !== 'delivered') console.info(i['state'], i['text'], i['kind'], JSON.stringify(i['error']));
}, 60_000);
