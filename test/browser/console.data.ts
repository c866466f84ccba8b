import { readFile } from 'node:fs/promises';
import { Client } from 'pg';
import { wordsVector } from '../../src/storage/history/message-words.repository.js';
import { searchableWords } from '../../src/storage/history/text-search.js';
import { eventually, LINE, type Bridge } from '../support/bridge.js';
import type { Operator } from '../support/bitrix24-simulator/operator.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

const sample = (name: string) => readFile(new URL(`../sandbox/samples/${name}`, import.meta.url));

/** The client whose conversation has something of every kind. */
export const ANNA = 700_100_200;
/** The client who blocks the bot before he is answered. */
export const PETER = 700_100_300;

const CLIENTS = [
  ['Дмитрий', 'Соколов', 'd_sokolov'],
  ['Елена', 'Морозова', 'elena_moroz'],
  ['Sarah', 'Mitchell', 'sarahm'],
  ['Игорь', 'Лебедев', 'igor_leb'],
  ['Мария', 'Новикова', 'mnovikova'],
  ['Алексей', 'Фёдоров', null],
  ['James', 'Carter', 'jcarter'],
  ['Ольга', 'Васильева', 'olga_v'],
  ['Тимур', 'Ахметов', 'timur_akh'],
  ['Светлана', 'Орлова', null],
  ['Emily', 'Watson', 'emwatson'],
  ['Николай', 'Зайцев', 'nzaitsev'],
  ['Татьяна', 'Павлова', 'tpavlova'],
  ['Роман', 'Семёнов', 'rsemenov'],
  ['Lucas', 'Weber', 'lweber'],
  ['Юлия', 'Голубева', 'yulia_g'],
  ['Артём', 'Виноградов', 'artem_vin'],
  ['Наталья', 'Богданова', 'n_bogdan'],
  ['Chloe', 'Martin', 'chloe_m'],
  ['Павел', 'Воробьёв', 'pvorob'],
  ['Ксения', 'Громова', null],
  ['Максим', 'Киселёв', 'max_kis'],
] as const;

/** What was said once: clients' and operators' words by turns. */
const DIALOGUES: readonly (readonly string[])[] = [
  [
    'Здравствуйте! Есть ли в наличии синий рюкзак 30 л?',
    'Добрый день! Да, есть 4 штуки. Отложить для вас?',
    'Да, на завтра, пожалуйста',
    'Готово, бронь на имя из профиля до 20:00.',
  ],
  [
    'Подскажите, сколько идёт доставка до Казани?',
    'Обычно 2–3 рабочих дня курьером, 4 дня до пункта выдачи.',
    'Отлично, тогда курьером',
  ],
  [
    'Добрый вечер, пришёл не тот размер. Как оформить возврат?',
    'Очень жаль! Напишите, пожалуйста, номер заказа.',
    '№ 20418',
    'Спасибо, курьер заберёт посылку завтра с 10 до 14, деньги вернутся за 3 дня.',
    'Спасибо за быструю помощь 🙏',
  ],
  [
    'Hi! Is the travel mug dishwasher safe?',
    'Hello! Yes, the mug and the lid both are. The seal should be washed by hand.',
    'Perfect, thank you',
  ],
  [
    'Do you deliver to Germany?',
    'We do: 5–7 working days, free of charge from 80 €.',
    'And can I pay by invoice?',
    'For companies yes. Please send us the VAT number and the address.',
  ],
  [
    'Оплата прошла, но статус заказа не поменялся',
    'Проверил: платёж поступил, заказ передан в сборку.',
    'Когда ждать?',
    'Завтра до вечера придёт СМС с кодом получения.',
  ],
  ['Можно ли изменить адрес в заказе?', 'Да, пришлите новый адрес сюда.', 'Казань, ул. Баумана, 12', 'Изменили ✅'],
  ['Спасибо, всё получил, качество отличное!', 'Рады, что понравилось! Будем благодарны за отзыв.'],
];

/** Two conversations as they happen now, through the whole program, with everything that can be seen of a message. */
export async function playConversations(bridge: Bridge): Promise<void> {
  const operator = bridge.portal.operator({ id: 27, name: 'Марина Кузнецова' });
  const anna = bridge.bot.client({
    id: ANNA,
    first_name: 'Анна',
    last_name: 'Смирнова',
    username: 'anna_smirnova',
    language_code: 'ru',
  });
  anna.setsProfilePhoto(await sample('case-colours.jpg'));
  const peter = bridge.bot.client({ id: PETER, first_name: 'Пётр', last_name: 'Волков', language_code: 'ru' });
  await annaBuys(bridge, anna, operator);
  await peterLeaves(bridge, peter, operator);
}

async function annaBuys(bridge: Bridge, anna: SimulatedClient, operator: Operator): Promise<void> {
  const to = `tg:${ANNA}`;
  const dialog = bridge.portal.dialog(to);
  let arrived = 0;
  const says = async <Sent>(send: () => Sent): Promise<Sent> => {
    const sent = send();
    arrived += 1;
    await eventually(
      () => dialog.clientMessages.length,
      (count) => count >= arrived,
      20_000,
    );
    return sent;
  };
  const answers = async (content: Parameters<Operator['sends']>[1]) => {
    const sent = operator.sends(to, content);
    await dialog.delivered(sent, 20_000);
    return sent;
  };

  await says(() => anna.starts('autumn_sale'));
  const { message: question } = await says(() =>
    anna.sends('Здравствуйте! Ищу чехол для телефона, синий. Когда будет доставка в Казань?', {
      entities: [{ type: 'bold', offset: 40, length: 5 }],
    }),
  );
  await answers(
    'Добрый день, Анна! Доставка в Казань занимает [b]2–3 дня[/b]. Подробности: [url=https://shop.example/delivery]условия доставки[/url]',
  );
  await says(() => anna.sendsFile('photo', { fileName: 'case.jpg' }, { caption: 'Вот такой, как на фото' }));
  await answers({
    text: 'Такой есть. Прайс во вложении, артикул [code]A-17[/code]',
    files: [{ name: 'Прайс-лист ноябрь.pdf', mime: 'application/pdf', content: await sample('price-list.pdf') }],
  });
  const album = ['case-blue.jpg', 'case-both-sides.jpg', 'case-colours.jpg'];
  const contents = await Promise.all(album.map(sample));
  await says(() =>
    anna.sendsAlbum(
      contents.map((content, index) => ({
        kind: 'photo' as const,
        content,
        ...(index === 0 && { caption: 'Из этих трёх какой прочнее?' }),
      })),
    ),
  );
  await answers('Первый: силикон с усиленными углами, выдерживает падение с двух метров.');
  const voice = await sample('voice.ogg');
  await says(() => anna.sendsFile('voice', { content: voice, duration: 4 }));
  const { message: wrong } = await says(() => anna.sends('Оформите пожалуста два чехла'));
  anna.edits(wrong.message_id, 'Оформите, пожалуйста, два чехла: синий и прозрачный');
  const mistaken = await answers('Оформила, сумма 1 980 ₽, оплата при получении.');
  operator.edits(mistaken, 'Оформила: заказ № 20533, сумма 1 780 ₽ со скидкой, оплата при получении.');
  await says(() => anna.replies(question.message_id, 'А сюда доставка точно бесплатная?', 'доставка в Казань'));
  const draft = await answers('Уточняю у склада…');
  operator.deletes(draft);
  const free = 'Да, от 1 500 ₽ доставка бесплатная 🎁';
  await answers(free);
  // What she writes next counts as having seen it only when the program knows that she has it.
  await eventually(
    () => bridge.messages('&direction=outbound&state=delivered'),
    (items) => items.some(({ text }) => text === free),
  );
  await says(() => anna.sends('Спасибо большое! Буду ждать 😊'));
  await answers('Хорошего вечера! Трек-номер пришлю сюда же.');
  bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, (params) => String(params['chat_id']) === String(ANNA));
  operator.sends(to, 'Трек-номер посылки: RP 204 533 118 RU');
  await eventually(
    () => bridge.messages('&state=uncertain'),
    (items) => items.length > 0,
    30_000,
  );
}

async function peterLeaves(bridge: Bridge, peter: SimulatedClient, operator: Operator): Promise<void> {
  peter.sends('Где мой заказ? Курьер не приехал 😡');
  await eventually(
    () => bridge.portal.dialog(`tg:${PETER}`).clientMessages.length,
    (count) => count > 0,
    20_000,
  );
  peter.blocks();
  operator.sends(`tg:${PETER}`, 'Пётр, извините за задержку: курьер приедет сегодня до 21:00.');
  await eventually(
    () => bridge.messages('&state=failed'),
    (items) => items.length > 0,
    30_000,
  );
}

/** Links by which clients come: one of ours with a campaign, for one client, and one that somebody else makes. */
export async function makeLinks(bridge: Bridge): Promise<void> {
  const { json } = await bridge.program.admin('GET', '/portals');
  const links = [
    { name: 'Плакат в магазине', utm: { source: 'offline', medium: 'poster', campaign: 'winter' } },
    { name: 'Приглашение для Ольги', singleUse: true, welcomeText: 'Ольга, здравствуйте!' },
    { name: 'Blog', code: 'ads_may', expiresAt: '2030-01-01T00:00:00Z' },
  ];
  for (const link of links) {
    const made = await bridge.program.admin('POST', '/links', { portalId: json.items[0].id, lineId: LINE, ...link });
    if (made.status !== 201) throw new Error(`POST /admin/links: ${made.status} ${made.text}`);
  }
  const client = bridge.bot.client({ id: 700_100_400, first_name: 'Nora', language_code: 'en' });
  client.sends('/start ads_may');
  client.sends('Is the blue one still there?');
}

interface Said {
  client: number;
  inbound: boolean;
  text: string;
  at: number;
  seconds: number;
}

/** A month of conversations that were had before, with the words by which they are found. */
export async function storeMonth(bridge: Bridge, now = Date.now()): Promise<void> {
  const database = new Client({ connectionString: bridge.database.directUrl });
  await database.connect();
  try {
    await database.query(
      `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, first_name, last_name,
                               username, language)
       SELECT b.id, b.portal_id, 'tg:' || c.id, 'tg:' || c.id, c.id, c.first || ' ' || c.last, c.first, c.last, c.username, 'ru'
         FROM (SELECT id, portal_id FROM bots ORDER BY id LIMIT 1) b,
              unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) AS c(id, first, last, username)`,
      [
        CLIENTS.map((_, index) => 800_000_000 + index),
        CLIENTS.map(([first]) => first),
        CLIENTS.map(([, last]) => last),
        CLIENTS.map(([, , username]) => username),
      ],
    );
    const said = month(now);
    const { rows } = await database.query<{ id: string; text: string }>(
      `WITH said AS (
         SELECT * FROM unnest($1::bigint[], $2::bool[], $3::text[], $4::float8[], $5::float8[])
           WITH ORDINALITY AS s(client, inbound, text, at, seconds, n)
       ), stored AS (
         INSERT INTO messages (portal_id, bot_id, chat_id, direction, state, kind, text, author_id, author_name,
                               external_chat_id, raw, attempts, said_at, created_at, delivered_at, seen_at)
         SELECT c.portal_id, c.bot_id, c.id, CASE WHEN inbound THEN 'inbound' ELSE 'outbound' END::"Direction", 'delivered',
                'text', s.text, CASE WHEN inbound THEN s.client::text ELSE '27' END,
                CASE WHEN inbound THEN c.title ELSE 'Марина Кузнецова' END, 'tg:' || s.client, '{}', 1,
                to_timestamp(at), to_timestamp(at), to_timestamp(at + seconds),
                CASE WHEN inbound THEN NULL ELSE to_timestamp(at + seconds + 40) END
           FROM said s JOIN chat_links c ON c.telegram_chat_id = s.client ORDER BY s.n
         RETURNING id, text, created_at, delivered_at
       ), tried AS (
         INSERT INTO attempts (message_id, kind, number, started_at, finished_at, outcome, instance)
         SELECT id, 'message', 1, created_at, delivered_at, 'delivered', 'replica-1' FROM stored
       )
       SELECT id, text FROM stored`,
      [
        said.map(({ client }) => client),
        said.map(({ inbound }) => inbound),
        said.map(({ text }) => text),
        said.map(({ at }) => at),
        said.map(({ seconds }) => seconds),
      ],
    );
    await database.query(
      `INSERT INTO message_words (message_id, words)
       SELECT id, ${wordsVector('words')} FROM unnest($1::bigint[], $2::text[]) AS r(id, words)`,
      [rows.map(({ id }) => id), rows.map(({ text }) => searchableWords(text))],
    );
    await database.query(
      `UPDATE chat_links c SET
         last_inbound_at = coalesce((SELECT max(created_at) FROM messages m WHERE m.chat_id = c.id AND direction = 'inbound'), last_inbound_at),
         last_outbound_at = coalesce((SELECT max(created_at) FROM messages m WHERE m.chat_id = c.id AND direction = 'outbound'), last_outbound_at)`,
    );
  } finally {
    await database.end();
  }
}

/** Oldest first. The same every time but for the day it ends; busier by day than by night. */
function month(now: number): Said[] {
  const said: Said[] = [];
  let seed = 20_261_128;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  for (let day = 29; day >= 0; day--) {
    const conversations = day === 0 ? 80 : 6 + Math.floor(random() * 12);
    for (let n = 0; n < conversations; n++) {
      const dialogue = DIALOGUES[Math.floor(random() * DIALOGUES.length)]!;
      const client = 800_000_000 + Math.floor(random() * CLIENTS.length);
      // The last day is the one before now; it gets denser towards its end.
      const hour = day === 0 ? 24 * Math.sqrt(random()) : 7 + 14 * random();
      let at = now / 1000 - (day + 1) * 86_400 + hour * 3_600;
      dialogue.forEach((text, index) => {
        at += index === 0 ? 0 : 30 + random() * 240;
        if (at > now / 1000 - 60) return;
        said.push({
          client,
          inbound: index % 2 === 0,
          text,
          at,
          seconds: 0.05 + random() * 0.6 + (random() > 0.95 ? 3 : 0),
        });
      });
    }
  }
  return said.sort((a, b) => a.at - b.at);
}
