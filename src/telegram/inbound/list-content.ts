import { asId, asList, asNumber, asObject, asText } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';
import { lines, named } from './message-wording.js';

export function readPoll(value: unknown, labels: MessageLabels): string {
  const { question, options, type } = asObject(value);
  const choices = asList(options).map(optionLine);
  return lines(named(type === 'quiz' ? labels.quiz : labels.poll, asText(question)), ...choices);
}

/** `2. Green` */
export function optionLine(option: unknown, index: number): string {
  return `${index + 1}. ${asText(asObject(option).text)}`;
}

export function readChecklist(value: unknown, labels: MessageLabels): string {
  const { title, tasks } = asObject(value);
  return lines(named(labels.checklist, asText(title)), ...asList(tasks).map(taskLine));
}

/** `☑ Call the bank` */
export function taskLine(task: unknown): string {
  const { text, completed_by_user: user, completed_by_chat: chat, completion_date: date } = asObject(task);
  const done = user !== undefined || chat !== undefined || (asNumber(date) ?? 0) > 0;
  return `${done ? '☑' : '☐'} ${asText(text)}`;
}

/** Which tasks were marked as done, and which as not done; by their number where the checklist is not told. */
export function readTasksDone(value: unknown, labels: MessageLabels): string {
  const {
    checklist_message: message,
    marked_as_done_task_ids: done,
    marked_as_not_done_task_ids: undone,
  } = asObject(value);
  const { title, tasks } = asObject(asObject(message).checklist);
  const texts = new Map(asList(tasks).map((task) => [asObject(task).id, asText(asObject(task).text)]));
  const marked = (sign: string, ids: unknown) => asList(ids).map((id) => `${sign} ${texts.get(id) || `#${asId(id)}`}`);
  return lines(named(labels.tasksMarked, asText(title)), ...marked('☑', done), ...marked('☐', undone));
}

export function readTasksAdded(value: unknown, labels: MessageLabels): string {
  const { checklist_message: message, tasks } = asObject(value);
  const { title } = asObject(asObject(message).checklist);
  return lines(named(labels.tasksAdded, asText(title)), ...asList(tasks).map(taskLine));
}
