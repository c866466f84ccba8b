import { readOperatorWords } from '../../connector/events/operator-words.parser.js';
import { toBBCode } from '../../connector/markup/bbcode.writer.js';
import { fillPlaceholders, type NamedClient } from '../../storage/intake/client-placeholders.js';
import type { SendRequest } from '../../storage/intake/own-messages.js';
import type { ReadyAnswerRow } from '../../storage/crm/ready-answers.repository.js';
import { attachmentsOf } from '../files/kept-file.js';

/** The BBCode of an answer for this client. A name that looks like BBCode stays a name. */
export function answerText({ text }: Pick<ReadyAnswerRow, 'text'>, { firstName, title }: NamedClient): string {
  const asWritten = (name: string) => toBBCode({ text: name, marks: [] });
  return fillPlaceholders(text, {
    firstName: firstName === null ? null : asWritten(firstName),
    title: asWritten(title),
  });
}

/** What is sent; null: there is nothing. */
export function answerWords(
  answer: Pick<ReadyAnswerRow, 'text' | 'files'>,
  client: NamedClient,
): SendRequest['words'] | null {
  const { words, keyboard } = readOperatorWords(answerText(answer, client));
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
