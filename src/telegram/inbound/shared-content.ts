import { asId, asList, asObject, asText } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';
import { lines, named } from './message-wording.js';
import { chatName, personName } from './person-name.js';
import { digitsOf, parseVCard } from './vcard.parser.js';

export function readContact(value: unknown, labels: MessageLabels): string {
  const { phone_number: number, vcard } = asObject(value);
  const phone = asId(number);
  const { phones, emails, company, title } = parseVCard(asText(vcard));
  return lines(
    named(labels.contact, personName(value)),
    /^\d{7,}$/.test(phone) ? `+${phone}` : phone,
    ...phones.filter((other) => digitsOf(other) !== digitsOf(phone)),
    ...emails,
    company === '' ? undefined : named(labels.company, company),
    title === '' ? undefined : named(labels.jobTitle, title),
  );
}

export function readUsersShared(value: unknown, labels: MessageLabels): string {
  const { users, user_ids: ids } = asObject(value);
  const names = asList(users).map((user) => personName(user) || asId(asObject(user).user_id));
  return named(labels.usersShared, [...names, ...asList(ids).map(asId)].filter((name) => name !== '').join(', '));
}

export function readChatShared(value: unknown, labels: MessageLabels): string {
  return named(labels.chatShared, chatName(value) || asId(asObject(value).chat_id));
}

export function readWebAppData(value: unknown, labels: MessageLabels): string {
  const { button_text: button, data } = asObject(value);
  return lines(named(labels.webAppData, asText(button)), asText(data));
}
