import { at, contentOf, ControlNotFound, personIn, type RoutedControl } from './control.routes.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedGroup } from './simulated.group.js';

type Path = Record<string, string>;

/**
 * Groups over HTTP. What the bot does not hear is answered with `{}`.
 *
 * | | |
 * |---|---|
 * | `POST /control/bots/:botId/groups/members/:userId` | `{group: <Chat>, status?}`: somebody puts the bot into a group, as a `member` unless `status` says otherwise; again to change its status |
 * | `POST /control/bots/:botId/groups/:chatId/members/:userId/messages` | `{text}`, `{kind, file?}` …, with `{thread}` in a topic, with `{reply_to}` as a reply |
 * | `POST …/groups/:chatId/members/:userId/topics` | `{name}` → `{message_thread_id}` |
 * | `POST …/groups/:chatId/topics/:threadId/delete` | |
 * | `POST …/groups/:chatId/members/:userId/migrate` | → `{chat}`, the supergroup |
 */
export function groupRoutes(botOf: (path: Path) => SimulatedBot): RoutedControl[] {
  const groups = '/bots/:botId/groups';
  const member = `${groups}/:chatId/members/:userId`;
  return [
    at('POST', `${groups}/members/:userId`, (path, { group, status = 'member', client }) => {
      if (!group) throw new Error('a group is wanted');
      return botOf(path).group(group).sets(status, personIn(path, client));
    }),
    at('POST', `${member}/messages`, (path, { client, thread, reply_to, ...body }) => {
      const group = groupIn(botOf(path), path);
      const content = contentOf(botOf(path), body);
      const by = personIn(path, client);
      if (thread !== undefined) return group.saysInTopic(by, thread, content);
      return reply_to === undefined ? group.says(by, content) : group.replies(by, reply_to, content);
    }),
    at('POST', `${member}/topics`, (path, { client, name = '' }) => ({
      message_thread_id: groupIn(botOf(path), path).createsTopic(personIn(path, client), name),
    })),
    at('POST', `${groups}/:chatId/topics/:threadId/delete`, (path) =>
      groupIn(botOf(path), path).deletesTopic(Number(path['threadId'])),
    ),
    at('POST', `${member}/migrate`, (path, { client }) => ({
      chat: groupIn(botOf(path), path).migrates(personIn(path, client)).chat.chat,
    })),
  ];
}

function groupIn(bot: SimulatedBot, { chatId }: Path): SimulatedGroup {
  const group = bot.findGroup(Number(chatId));
  if (!group) throw new ControlNotFound(`group ${chatId}`);
  return group;
}
