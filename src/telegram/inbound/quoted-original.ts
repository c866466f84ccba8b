import type { MessageEntity } from '@grammyjs/types';
import { isBlank, join, plain, trim, type RichText } from '../../relay/rich-text.js';
import { truncate } from '../../relay/rich-text-split.js';
import { asList, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import type { QuotedWords } from '../../storage/work/claimed-lane.js';
import { fromEntities } from '../markup/telegram-markup.js';
import { optionLine, taskLine } from './list-content.js';
import { knownContent, ownContent } from './message-body.js';
import type { MessageLabels } from './message-labels.js';
import { forwardLine, originLink, originName } from './message-origin.js';
import { lines, named } from './message-wording.js';
import { personName } from './person-name.js';
import { readStory } from './place-content.js';
import { postLink } from './post-links.js';

/** Longest quoted original of a reply, in UTF-16 units. */
const QUOTE_LIMIT = 200;

/** The quoted original of a reply: the part the person chose, else its beginning. */
export function quotedOf(message: JsonObject, labels: MessageLabels): { quoted?: QuotedWords } {
  const { words, name, at, context = '', link = '' } = original(message, labels);
  const said = truncate(trim(chosenPart(message) ?? chosenItem(message, labels) ?? words), QUOTE_LIMIT);
  const { text, marks } = join([context, said, link], '\n');
  if (isBlank(text) && !name) return {};
  const isMoment = Number.isInteger(at) && (at as number) > 0 && (at as number) < 1e11;
  return { quoted: { text, marks, ...(name ? { name } : {}), ...(isMoment ? { at: at as number } : {}) } };
}

function chosenPart({ quote }: JsonObject): RichText | undefined {
  const { text, entities } = asObject(quote);
  const chosen = fromEntities(asText(text), entities as MessageEntity[]);
  return isBlank(chosen.text) ? undefined : chosen;
}

/** The task of a checklist or the option of a poll that the person chose to answer. */
function chosenItem(message: JsonObject, labels: MessageLabels): RichText | undefined {
  const { reply_to_checklist_task_id: taskId, reply_to_poll_option_id: optionId } = message;
  const { checklist, poll } = asObject(message.reply_to_message ?? message.external_reply);
  const { title, tasks } = asObject(checklist);
  const task = asList(tasks)
    .map(asObject)
    .find(({ id }) => taskId !== undefined && id === taskId);
  if (task) return plain(lines(named(labels.checklist, asText(title)), taskLine(task)));
  const { question, options } = asObject(poll);
  const choices = asList(options).map(asObject);
  const index = choices.findIndex(({ persistent_id: id }) => optionId !== undefined && id === optionId);
  return index === -1
    ? undefined
    : plain(lines(named(labels.poll, asText(question)), optionLine(choices[index], index)));
}

interface Original {
  words: RichText;
  name?: string;
  at?: unknown;
  /** Says where it comes from itself; read before its words, whatever part of them is quoted. */
  context?: RichText;
  /** Where it stands, when that is not this chat. */
  link?: string;
}

function original(message: JsonObject, labels: MessageLabels): Original {
  if (message.reply_to_message !== undefined) {
    const replied = asObject(message.reply_to_message);
    // Every message of a forum topic "replies" to the creation of the topic.
    if (replied.forum_topic_created !== undefined) return { words: plain('') };
    const name = asText(asObject(replied.sender_chat).title) || personName(replied.from);
    return {
      words: ownContent(replied, labels),
      name,
      at: replied.date,
      context: forwardLine(replied, labels),
      link: replied.is_automatic_forward === true ? originLink(replied.forward_origin) : '',
    };
  }
  if (message.external_reply !== undefined) {
    const { origin, ...elsewhere } = asObject(message.external_reply);
    const link = postLink(elsewhere.chat, elsewhere.message_id) || originLink(origin);
    return { words: knownContent(elsewhere, labels), name: originName(origin), at: asObject(origin).date, link };
  }
  if (message.reply_to_story !== undefined) {
    return { words: readStory(message.reply_to_story, labels) };
  }
  return { words: plain('') };
}
