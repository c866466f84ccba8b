import type { Operator, OperatorSource } from '../relay/operator-side.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/claimed-lane.js';
import type { Heading } from './message-plan.js';

/** User id of Bitrix24's own messages: greetings, ratings, … */
const SYSTEM = '0';

type Source = Pick<OperatorSource, 'operatorOnLine'>;

/**
 * The line with the operator's name, as the line of the chat wants it; null where none is wanted — by us, or by the open
 * line itself, which may hide its operators —, or the message is nobody's. It is not waited for: when the portal does not say, the name of the event is taken, else none.
 */
export async function headingOf(
  chat: ClaimedLane['chat'],
  { authorId, authorName, bitrixLineId }: ClaimedDelivery['message'],
  operators: Source,
): Promise<Heading | null> {
  if (chat.operatorName === 'hidden' || authorId === null || authorId === SYSTEM) return null;
  const { portalId } = chat;
  const lineId = bitrixLineId ?? chat.lineId;
  const known = portalId !== null && lineId !== null;
  const operator = known ? await operators.operatorOnLine({ portalId, lineId }, authorId) : null;
  if (operator === 'hidden') return null;
  const name = (operator && fullName(operator)) || (authorName ?? '');
  if (name === '') return { line: '' };
  if (chat.operatorName === 'name') return { line: `${oneLine(name)}:` };
  const template = chat.operatorNameTemplate ?? '{name}:';
  return { line: oneLine(fill(template, name, operator ?? { firstName: name, lastName: '', position: '' })) };
}

function fill(template: string, name: string, { firstName, lastName, position }: Operator): string {
  const values: Record<string, string> = { name, first_name: firstName, last_name: lastName, position };
  return template.replace(/\{(name|first_name|last_name|position)\}/g, (_, key: string) => values[key] ?? '');
}

function fullName({ firstName, lastName }: Operator): string {
  return `${firstName} ${lastName}`.trim();
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
