import { isArray, isEmpty, lowerKeysDeep, text, type Params } from './php-encoding.js';
import { connectorKey } from './portal-model.js';
import { argumentMissing, connectorError, RestError } from './rest-error.js';
import type { RestContext } from './rest-method.js';

/** One element of MESSAGES; parts that are no arrays are empty. */
export interface MessageElement {
  user: Params;
  message: Params;
  chat: Params;
  raw: Params;
}

/** CONNECTOR and LINE, both required. */
export function target(params: Params): { connector: string; line: string } {
  for (const key of ['CONNECTOR', 'LINE']) if (isEmpty(params[key])) throw argumentMissing(key);
  return { connector: text(params['CONNECTOR']), line: text(params['LINE']) };
}

/** MESSAGES: a list of arrays, all keys in lower case. */
export function messageList(params: Params): MessageElement[] {
  const messages = params['MESSAGES'];
  if (isEmpty(messages)) throw argumentMissing('MESSAGES');
  if (!isArray(messages)) throw notAnArray('MESSAGES');
  const rows = Array.isArray(messages) ? messages : null;
  if (rows === null || !rows.every(isArray)) {
    throw new RestError(400, 'ERROR_ARGUMENT', 'The MESSAGES parameter must be an array of messages (arrays)', {
      argument: 'MESSAGES',
    });
  }
  return rows.map((row) => element(lowerKeysDeep(row) as Params));
}

function element(raw: Params): MessageElement {
  const part = (key: string): Params => (isArray(raw[key]) ? raw[key] : {});
  return { user: part('user'), message: part('message'), chat: part('chat'), raw };
}

/** The provider is looked up before the line's state is. */
export function checkLine(connector: string, line: string, { portal }: RestContext): void {
  if (!portal.lines.connectors.has(connectorKey(connector))) throw connectorError('IMCONNECTOR_NO_CORRECT_PROVIDER');
  if (!portal.lines.isReady(connector, line)) throw connectorError('NOT_ACTIVE_LINE');
}

export function notAnArray(argument: string): RestError {
  return new RestError(400, 'ERROR_ARGUMENT', `The value of an argument '${argument}' must be of type array`, {
    argument,
  });
}
