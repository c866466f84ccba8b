import type { OpenAPIObject } from '@nestjs/swagger';

type Schema = Exclude<NonNullable<NonNullable<OpenAPIObject['components']>['schemas']>[string], { $ref: string }>;
type Property = Record<string, unknown>;

const text: Property = { type: 'string' };
const id: Property = { type: 'string', pattern: '^\\d+$', example: '42', description: 'An id of ours, decimal.' };
const time: Property = { type: 'string', format: 'date-time' };
const flag: Property = { type: 'boolean' };
const whole: Property = { type: 'integer' };
const oneOf = (...values: string[]): Property => ({ type: 'string', enum: values });
const orNull = (property: Property): Property => ({ ...property, nullable: true });
const listOf = (items: Property): Property => ({ type: 'array', items });
const ref = (name: string): Property => ({ $ref: `#/components/schemas/${name}` });

/** Every property is always there unless it is named in `sometimes`. */
function object(description: string, properties: Record<string, Property>, sometimes: string[] = []): Schema {
  const required = Object.keys(properties).filter((name) => !sometimes.includes(name));
  return { type: 'object', description, properties, required } as Schema;
}

const STATES = ['queued', 'sending', 'delivered', 'failed', 'uncertain', 'ignored'];
const counts = { type: 'object', description: '`messages[direction][state]`; states without a message are left out.' };
const summary = { messages: counts, oldestWaiting: orNull(time) };

const message: Record<string, Property> = {
  id,
  direction: { ...oneOf('inbound', 'outbound'), description: '`inbound`: client → operator.' },
  state: oneOf(...STATES),
  kind: { ...text, example: 'text' },
  text,
  attachments: listOf({
    type: 'object',
    properties: {
      kind: text,
      name: text,
      mime: orNull(text),
      size: orNull(whole),
      label: text,
      url: { ...orNull(text), description: 'Where a person can look at it, for a while; null for an operator’s file.' },
    },
    required: ['kind', 'name', 'mime', 'size', 'label', 'url'],
  }),
  systemLine: flag,
  source: { ...orNull(text), description: 'Payload of the `/start` that it is.', example: 'ads_may' },
  albumId: orNull(text),
  replyToId: orNull(text),
  replyQuote: orNull(text),
  chatId: orNull(text),
  externalChatId: { ...orNull(text), example: 'tg:123456' },
  telegramChatId: orNull(text),
  telegramMessageIds: listOf(text),
  bitrixMessageId: orNull(text),
  botId: orNull(text),
  portalId: orNull(text),
  authorId: orNull(text),
  authorName: orNull(text),
  unsigned: flag,
  attempts: whole,
  error: orNull({ type: 'object', properties: { code: text, detail: text }, required: ['code', 'detail'] }),
  createdAt: time,
  deliveredAt: orNull(time),
  seenAt: orNull(time),
  editedAt: orNull(time),
  deletedAt: orNull(time),
};

const moment = object(
  'One thing that happened to a message, or that is still to happen.',
  {
    at: time,
    what: { ...text, example: 'attempt' },
    kind: text,
    number: whole,
    outcome: text,
    code: text,
    detail: text,
    finishedAt: time,
  },
  ['kind', 'number', 'outcome', 'code', 'detail', 'finishedAt'],
);

/** What the answers look like. Further properties may come: whoever reads them passes over what he does not know. */
export const SCHEMAS: Record<string, Schema> = {
  Problem: object(
    'RFC 9457. `code` is stable and for machines, `detail` says what happened and what to do.',
    {
      type: text,
      title: text,
      status: { ...whole, example: 404 },
      code: { ...text, example: 'not_found' },
      detail: text,
      id: { ...text, description: 'Under which the log has the cause.' },
      retryAfter: { ...whole, description: 'Seconds.' },
    },
    ['id', 'retryAfter'],
  ),
  Check: object('One thing that must be true for messages to flow.', {
    id: { ...text, example: 'portal:1:tokens' },
    ok: flag,
    what: text,
    advice: { ...text, description: "What to do; '' when there is nothing to do." },
  }),
  Diagnosis: object('`ok`: every check is.', { ok: flag, checks: listOf(ref('Check')) }),
  Overview: object('The whole traffic in numbers.', {
    at: time,
    ...summary,
    byPortal: listOf({ type: 'object', properties: { portalId: orNull(text), ...summary } }),
    byBot: listOf({ type: 'object', properties: { botId: orNull(text), ...summary } }),
  }),
  Message: object('A message.', message),
  Moment: moment,
  MessageStory: object('A message with everything that happened to it.', {
    ...message,
    timeline: listOf(ref('Moment')),
  }),
  Chat: object('A Telegram chat and the dialog that mirrors it.', {
    id,
    botId: id,
    portalId: orNull(text),
    externalId: { ...text, example: 'tg:123456' },
    telegramChatId: text,
    threadId: orNull(text),
    type: { ...text, example: 'private' },
    title: text,
    username: orNull(text),
    language: orNull(text),
    phone: orNull(text),
    source: {
      ...orNull(text),
      description: 'Payload of the first link by which the client came.',
      example: 'ads_may',
    },
    lastSource: { ...orNull(text), description: 'The same of the newest link.', example: 'ads_may' },
    avatar: orNull(text),
    bannedAt: orNull(time),
    state: oneOf('active', 'blocked'),
    stateReason: orNull(text),
    bitrixChatId: orNull(text),
    bitrixSessionId: orNull(text),
    lastInboundAt: orNull(time),
    lastOutboundAt: orNull(time),
    createdAt: time,
  }),
  Bot: object('A bot, and the open line that it serves. No token.', {
    id,
    key: { ...text, description: 'Last part of its webhook address.' },
    telegramId: text,
    username: orNull(text),
    name: orNull(text),
    mode: oneOf('polling', 'webhook'),
    portalId: orNull(text),
    lineId: orNull(text),
    state: oneOf('active', 'conflict', 'unauthorised', 'disabled'),
    stateReason: orNull(text),
    isDefault: flag,
    createdAt: time,
  }),
  Portal: object('A portal. No token, no secret.', {
    id,
    memberId: text,
    domain: { ...text, example: 'acme.bitrix24.com' },
    connectorId: text,
    scope: text,
    language: text,
    state: { ...text, example: 'active' },
    stateReason: orNull(text),
    eventsVerified: flag,
    installedAt: time,
    lines: listOf({ type: 'object', properties: { lineId: text, state: text } }),
    tokens: listOf({ type: 'object', properties: { userId: text, state: text, expiresAt: time } }),
    bots: listOf({ type: 'object', properties: { id, username: orNull(text), lineId: orNull(text) } }),
  }),
  ...pages('Chat', 'Bot', 'Portal'),
  MessagePage: object(
    'A page of messages, newest first. `nextCursor` null: there are no older ones.',
    {
      items: listOf(ref('Message')),
      nextCursor: orNull(text),
      previousCursor: {
        ...orNull(text),
        description: 'Leads to newer messages; null: there are none. Only with `around` and `cursor`.',
      },
      count: { ...whole, description: 'How many messages the filter holds. Only with `count=1`.' },
      more: {
        ...flag,
        description:
          'Those are at least as many: with words, a chat or times they are counted one by one, up to 10,000, and where words are frequent so many are looked at. Only with `count=1`.',
      },
    },
    ['previousCursor', 'count', 'more'],
  ),
};

function pages(...names: string[]): Record<string, Schema> {
  return Object.fromEntries(
    names.map((name) => [
      `${name}Page`,
      object('A page of a list, newest first. `nextCursor` null: this was the last one.', {
        items: listOf(ref(name)),
        nextCursor: orNull(text),
      }),
    ]),
  );
}

/** Which route answers what. */
export const ANSWERS: Readonly<Record<string, string>> = {
  'get /admin/doctor': 'Diagnosis',
  'get /admin/overview': 'Overview',
  'get /admin/messages': 'MessagePage',
  'get /admin/messages/{id}': 'MessageStory',
  'get /admin/chats': 'ChatPage',
  'get /admin/chats/{id}': 'Chat',
  'get /admin/chats/{id}/messages': 'MessagePage',
  'get /admin/bots': 'BotPage',
  'get /admin/bots/{id}': 'Bot',
  'post /admin/bots': 'Bot',
  'patch /admin/bots/{id}': 'Bot',
  'get /admin/portals': 'PortalPage',
  'get /admin/portals/{id}': 'Portal',
};
