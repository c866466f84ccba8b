import { fullName } from '../../common/full-name.js';
import type { Operator, OperatorDirectory } from '../../relay/operator-directory.js';
import { slice, type RichText } from '../../relay/rich-text.js';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { Heading } from './message-plan.js';

/** User id of Bitrix24's own messages: greetings, ratings, … */
const SYSTEM = '0';

/**
 * The line with the operator's name, as the line of the chat wants it; null where none is wanted (by us, or by the open
 * line itself, which may hide its operators), or the message is nobody's. It is not waited for: when the portal does not
 * say, the name of the event is taken, else none.
 */
export async function headingOf(
  chat: ClaimedLane['chat'],
  { authorId, authorName, bitrixLineId }: ClaimedDelivery['message'],
  operators: Pick<OperatorDirectory, 'operatorOnLine'>,
): Promise<Heading | null> {
  if (chat.operatorName === 'hidden' || authorId === null || authorId === SYSTEM) return null;
  const { portalId } = chat;
  const lineId = bitrixLineId ?? chat.lineId;
  const known = portalId !== null && lineId !== null;
  const operator = known ? await operators.operatorOnLine({ portalId, lineId }, authorId) : null;
  if (operator === 'hidden') return null;
  const name = (operator && fullName(operator.firstName, operator.lastName)) || (authorName ?? '');
  if (name === '') return { line: '' };
  if (chat.operatorName === 'name') return { line: `${oneLine(name)}:` };
  const template = chat.operatorNameTemplate ?? '{name}:';
  return { line: oneLine(fill(template, name, operator ?? { firstName: name, lastName: '', position: '' })) };
}

/**
 * The words without a first line that is nothing but their author's name, bold and with a colon: a portal puts it there
 * for a connector that was registered otherwise than ours is. Any other bold line is the author's own, and so is this
 * one while the portal does not say the name.
 */
export async function withoutName(
  words: RichText,
  { portalId, lineId }: ClaimedLane['chat'],
  { authorId, bitrixLineId }: ClaimedDelivery['message'],
  operators: OperatorDirectory,
): Promise<RichText> {
  const line = /^([^\n]{1,200}): ?(?:\n ?|$)/.exec(words.text);
  const isBold = words.marks.some(
    ({ type, offset, length }) => type === 'bold' && offset === 0 && length === (line?.[1]?.length ?? 0) + 1,
  );
  if (!line || !isBold || portalId === null || authorId === null || authorId === SYSTEM) return words;
  const onLine = bitrixLineId ?? lineId;
  // A portal signs with the name that the line has for its operator, where it has one.
  const known = await Promise.all([
    operators.operator(portalId, authorId),
    onLine === null ? null : operators.operatorOnLine({ portalId, lineId: onLine }, authorId),
  ]);
  // In which order they stand is a setting of the portal.
  const parts = (name: string) => oneLine(name.replaceAll(',', ' ')).split(' ').toSorted().join(' ');
  const isName = known.some(
    (operator) =>
      operator && operator !== 'hidden' && parts(fullName(operator.firstName, operator.lastName)) === parts(line[1]!),
  );
  return isName ? slice(words, line[0].length) : words;
}

function fill(template: string, name: string, { firstName, lastName, position }: Operator): string {
  const values: Record<string, string> = { name, first_name: firstName, last_name: lastName, position };
  return template.replace(/\{(name|first_name|last_name|position)\}/g, (_, key: string) => values[key] ?? '');
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
