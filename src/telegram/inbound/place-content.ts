import { concat, type RichText } from '../../relay/rich-text.js';
import { asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';
import { linked } from './message-origin.js';
import { lines, named } from './message-wording.js';
import { chatName } from './person-name.js';
import { storyLink } from './post-links.js';
import { mapUrl } from './rich-message.parser.js';

/** Whether a `Location` goes on moving. */
export function isLive(location: unknown): boolean {
  return asNumber(asObject(location).live_period) !== undefined;
}

export function readLocation(value: unknown, labels: MessageLabels): string {
  return lines(isLive(value) ? labels.liveLocation : labels.location, mapUrl(value));
}

export function readVenue(value: unknown, labels: MessageLabels, message: JsonObject): string {
  const { title, address, location } = asObject(value);
  return lines(named(labels.venue, asText(title)), asText(address), mapUrl(location) ?? mapUrl(message.location));
}

export function readStory(value: unknown, labels: MessageLabels): RichText {
  const name = chatName(asObject(value).chat);
  const link = storyLink(value);
  return name === '' ? linked(labels.story, link) : concat(`${labels.story}: `, linked(name, link));
}
