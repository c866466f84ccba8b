import type { Message } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import { formatCaption, formatText, readEntities, type FormattedText } from './message.entities.js';

/** Text over 32 KiB is refused before it is looked at. */
const RAW_TEXT_BYTES = 1 << 15;

export type TextFields = Pick<Message, 'text' | 'entities'>;
export type CaptionFields = Pick<Message, 'caption' | 'caption_entities'>;

/** `text` and `entities` of a call, as the message will have them. */
export function readText(params: CallParams): TextFields {
  if (params.text('text') === '') throw badRequest('message text is empty');
  return textFields(formatText(...readFormatted(params, 'text', 'entities')));
}

/** `caption` and `caption_entities` of a call or of an InputMedia; nothing when the caption is empty. */
export function readCaption(params: CallParams): CaptionFields {
  return captionFields(formatCaption(...readFormatted(params, 'caption', 'caption_entities')));
}

export const textFields = ({ text, entities }: FormattedText): TextFields =>
  entities.length > 0 ? { text, entities } : { text };

export const captionFields = ({ text, entities }: FormattedText): CaptionFields => ({
  ...(text !== '' && { caption: text }),
  ...(entities.length > 0 && { caption_entities: entities }),
});

function readFormatted(params: CallParams, name: string, entities: string): Parameters<typeof formatText> {
  const text = params.text(name);
  if (Buffer.byteLength(text) > RAW_TEXT_BYTES) throw badRequest('text is too long');
  const mode = params.text('parse_mode');
  if (!['', 'none'].includes(mode.toLowerCase())) {
    const known = ['html', 'markdown', 'markdownv2'].includes(mode.toLowerCase());
    throw badRequest(known ? `parse_mode ${mode} is not simulated: send entities` : 'unsupported parse_mode');
  }
  return [text, readEntities(params.json(entities, 'entities'))];
}
