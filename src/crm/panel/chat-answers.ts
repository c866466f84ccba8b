import { readOperatorWords } from '../../connector/events/operator-words.parser.js';
import type { NamedClient } from '../../storage/intake/client-placeholders.js';
import type { SendRequest } from '../../storage/intake/own-messages.js';
import type { ReadyAnswerRow } from '../../storage/crm/ready-answers.repository.js';
import { filledBBCode, filledWords } from '../requests/filled-words.js';
import { attachmentsOf } from '../files/kept-file.js';

/** The BBCode of an answer for this client. A name that looks like BBCode stays a name. */
export function answerText({ text }: Pick<ReadyAnswerRow, 'text'>, client: NamedClient): string {
  return filledBBCode(text, client);
}

/** What is sent; null: there is nothing. */
export function answerWords(
  answer: Pick<ReadyAnswerRow, 'text' | 'files'>,
  client: NamedClient,
): SendRequest['words'] | null {
  const { words, keyboard } = filledWords(readOperatorWords(answer.text), client);
  const attachments = attachmentsOf(answer.files);
  if (words.text.trim() === '' && !keyboard && attachments.length === 0) return null;
  return { ...words, attachments, ...(keyboard && { keyboard }) };
}

/** Those for the language of the client, or for everybody, stand first; otherwise they stay in their order. */
export function byLanguage<Answer extends Pick<ReadyAnswerRow, 'language'>>(
  answers: Answer[],
  language: string | null,
): Answer[] {
  const spoken = language?.toLowerCase().split('-')[0];
  const isFor = ({ language: own }: Answer) => own === null || own.split('-')[0] === spoken;
  return [...answers.filter(isFor), ...answers.filter((answer) => !isFor(answer))];
}
