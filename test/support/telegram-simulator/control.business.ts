import type { BusinessAccount } from './business.account.js';
import { at, contentOf, ControlNotFound, listMessages, personIn, type RoutedControl } from './control.routes.js';
import type { SimulatedBot } from './simulated.bot.js';

type Path = Record<string, string>;

/**
 * Telegram Business over HTTP. What the bot does not hear is answered with `{}`.
 *
 * | | |
 * |---|---|
 * | `POST /control/bots/:botId/business/:ownerId/connect` | `{client?: <owner's profile>, rights?}`: the owner connects the bot, or gives it other rights → the connection |
 * | `POST …/business/:ownerId/disconnect` | |
 * | `GET …/business/:ownerId/clients/:userId/messages?after=` | both sides of the conversation |
 * | `POST …/business/:ownerId/clients/:userId/messages`, `…/answers` | the client, or the owner on the phone, sends `{text}`, `{kind, file?}` … |
 * | `PATCH …/clients/:userId/messages/:messageId` | whoever wrote it edits: `{text}` |
 * | `POST …/clients/:userId/messages/:messageId/delete` | |
 */
export function businessRoutes(botOf: (path: Path) => SimulatedBot): RoutedControl[] {
  const owner = '/bots/:botId/business/:ownerId';
  const client = `${owner}/clients/:userId`;
  const accountOf = (path: Path) => accountIn(botOf(path), path);
  return [
    at('POST', `${owner}/connect`, (path, { client: profile, rights }) => {
      const known = botOf(path).findBusinessAccount(Number(path['ownerId']));
      const owned = personIn({ userId: path['ownerId']! }, profile);
      if (known) known.reconnects(rights);
      return (known ?? botOf(path).connectBusiness(owned, rights)).connection;
    }),
    at('POST', `${owner}/disconnect`, (path) => accountOf(path).disconnects()),
    at('GET', `${client}/messages`, (path, _body, query) =>
      listMessages(accountOf(path).chat(Number(path['userId'])), query),
    ),
    at('POST', `${client}/messages`, (path, { client: profile, ...body }) =>
      accountOf(path).clientSends(personIn(path, profile), contentOf(botOf(path), body)),
    ),
    at('POST', `${client}/answers`, (path, { client: profile, ...body }) =>
      accountOf(path).ownerSends(personIn(path, profile), contentOf(botOf(path), body)),
    ),
    at('PATCH', `${client}/messages/:messageId`, (path, { text = '' }) =>
      accountOf(path).edits(Number(path['userId']), Number(path['messageId']), text),
    ),
    at('POST', `${client}/messages/:messageId/delete`, (path) =>
      accountOf(path).deletes(Number(path['userId']), Number(path['messageId'])),
    ),
  ];
}

function accountIn(bot: SimulatedBot, { ownerId }: Path): BusinessAccount {
  const account = bot.findBusinessAccount(Number(ownerId));
  if (!account) throw new ControlNotFound(`business account ${ownerId}`);
  return account;
}
