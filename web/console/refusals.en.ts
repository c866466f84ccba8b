import { plural } from '../shared/i18n.js';
import { listed, quoted, text, upstream, type RefusalParams } from './refusal-params.js';

const seconds = ({ retryAfter }: RefusalParams) => plural('en', Number(retryAfter) || 1, '# second|# seconds');

/** Why the service, or a portal, did not do what it was asked for, by code; what to do where that is not plain. */
export const refusals: Record<string, (params: RefusalParams) => string> = {
  // Asking
  invalid_request: ({ fields }) => `Check what you entered${listed(fields, FIELDS)}.`,
  no_portal: () => 'The bot of this chat serves no portal: connect it to an open line first.',
  key_reused: () => 'This message was sent already; reload the page.',
  invalid_cursor: () => 'The list has changed: refresh the page.',
  invalid_range: () => 'The period is not valid: its start must be before its end, at most a year apart.',
  range_too_long: () => 'There are too many messages to be counted at once: choose a shorter period.',
  search_too_long: () => 'The history is too long to be searched at once: choose a chat or a shorter period.',
  not_found: () => 'It does not exist any more. Refresh the page.',
  body_too_large: () => 'That is more than the service takes at once.',
  too_many_requests: (params) => `Please wait ${seconds(params)}.`,
  too_many_exports: () => 'Other exports are running: try again when one has finished.',
  storage_unavailable: () => 'PostgreSQL cannot be reached right now. The page tries again by itself.',
  unavailable: () => 'The service is starting or stopping. Try again in a moment.',
  internal_error: ({ id }) => `Something unexpected happened. The log of the service has it under ${text(id)}.`,

  // Rights
  role_too_low: ({ required, role }) =>
    `This needs a key with the role ${ROLES[text(required)] ?? text(required)}; yours has ${ROLES[text(role)] ?? text(role)}.`,
  limited_to_portal: ({ portalId }) => `Your key is limited to portal ${text(portalId)}.`,
  already_expired: () => 'The key would have expired already: choose a later date.',

  // Messages
  taken_back: () => 'Its author deleted this message: it is not sent again.',
  client_unsubscribed: () => 'The client has unsubscribed: advertising is not sent again.',
  not_retryable: () => 'Only failed and uncertain messages can be sent again; somebody was faster.',
  not_discardable: () => 'Only failed and uncertain messages can be dismissed; somebody was faster.',
  not_uncertain: () => 'The outcome of this message is known by now.',
  chat_moved: () => 'The bot of this chat serves another portal now: nothing is done there.',
  not_confirmed: () => 'The confirmation does not match: nothing was erased.',

  // Broadcasts
  broadcast_started: () => 'It was started already: only its name can be changed.',
  broadcast_running: () => 'It is running: stop it first.',
  broadcast_sending: () => 'Some of it is being sent at this moment: try again in a few seconds.',
  broadcast_for_nobody: () => 'Nobody fits: nothing was started.',
  text_too_long: ({ limit }) => `With the client’s name the text has more than ${text(limit)} characters.`,
  broadcast_state: () => 'Its state has changed meanwhile: look again.',
  portal_removed: () => 'The application was removed from this portal.',

  // Links
  portal_needed: () => 'Choose a portal.',
  line_needed: () => 'The portal has several bots: choose the open line.',
  no_bot: () => 'No bot serves this portal: connect one first.',
  bot_unnamed: () => 'Telegram has not said yet what the bot is called. Try again in a minute.',
  code_reserved: () => 'Bitrix24 or Telegram itself makes links with such a code: choose another one.',
  code_taken: () => 'The bot has a link with this code already.',
  entity_not_found: () => 'The CRM has nothing under this number.',
  no_crm_scope: () =>
    'The application may not use the CRM of this portal: add the permission “crm” to its card, and install it again.',

  // Ready answers
  too_many_answers: ({ limit }) => `The portal has ${text(limit)} ready answers already: delete some that nobody uses.`,
  too_many_files: ({ limit }) => `An answer can have ${text(limit)} files at most.`,
  files_full: ({ limitMb }) =>
    `The files of all answers and broadcasts of the portal are limited to ${text(limitMb)} MB: delete some.`,
  file_too_large: ({ limitMb }) => `A file can have ${text(limitMb)} MB at most.`,
  file_empty: () => 'The file is empty.',
  bad_file_name: () => 'The name of the file is too long or has characters that cannot be used: rename it.',
  too_many_uploads: () => 'Other files are being uploaded. Try again in a moment.',
  upload_cut: () => 'The file did not arrive whole. Try again.',
  upload_too_slow: () => 'The file arrived too slowly. Try again with a better connection.',

  // Messages that are written here
  files_waiting: () => 'Too many files of this portal are still waiting to be sent. Try again later.',
  attachment_gone: () => 'The files are no longer stored. Send the message again to upload them anew.',

  // Bots
  bad_api_kind: () => 'A local Bot API server has an address of its own: enter it, or choose Telegram.',
  bad_token: () => 'This is not a bot token. It looks like 123456789:AAE… and comes from @BotFather.',
  token_refused: ({ said }) =>
    `Telegram does not accept this token: get the current one from @BotFather. ${quoted(said)}`,
  telegram_unreachable: ({ said }) =>
    `Telegram cannot be reached now: try again, and look into the doctor if it stays so. ${quoted(said)}`,
  another_bot: ({ username }) =>
    `This token belongs to another bot, @${text(username)}: add that one with “Add a bot”.`,
  bot_exists: ({ username }) => `@${text(username)} is here already: find it in the list.`,
  unknown_bot: () => 'This bot was removed. Refresh the page.',
  manager_bot: () => 'This is the token of the bot that makes bots. Give the token of another bot.',
  no_manager: () => 'No bots can be made now. See TG_MANAGER_BOT_TOKEN, or give a token.',
  portal_gone: () => 'The application was removed from this portal.',
  line_taken: ({ lineId }) => `Another bot serves line ${text(lineId)}: move or remove that one first.`,
  line_incomplete: () => 'Choose both a portal and an open line, or neither.',
  no_public_url: () => 'The service does not know its own address: set PUBLIC_URL, or choose “Polling”.',

  // Portals
  unknown_portal: () => 'This portal was removed. Refresh the page.',
  portal_unknown: () => 'This portal was removed. Refresh the page.',
  portal_silent: () => 'The portal did not answer.',
  not_installed: () => 'The installation is not finished: open the application in the portal once.',
  line_missing: () => 'This line does not exist in Bitrix24: give its bot another one.',
  line_not_active: ({ error }) =>
    error
      ? 'The portal says that the connector has an error in this line: connect it in Contact Center.'
      : 'The portal says that the connector is not active in this line: connect it in Contact Center.',

  // Applications
  application_exists: () => 'There is an application with this client id: edit that one.',
  application_in_use: () => 'Portals use this application: remove them first.',
  unknown_application: () => 'This application was removed. Refresh the page.',
  bad_certificates: () =>
    'These are not certificates that can be used: paste whole PEM blocks that have not expired, one after the other.',
  certificate_refused: () =>
    'The certificate of the portal cannot be checked. If a private authority issued it, give that authority’s certificate to the application.',
  bad_domain: ({ domain }) => `“${text(domain)}” is not the address of a portal, such as acme.bitrix24.com.`,

  // What the networks answer
  telegram_not_sent: upstream('Telegram cannot be reached now'),
  telegram_refused: upstream('Telegram refused this'),
  telegram_unauthorised: upstream('Telegram does not accept the token of the bot'),
  telegram_unknown: upstream('Telegram gave no clear answer'),
  bitrix24_not_sent: upstream('The portal cannot do this now'),
  bitrix24_refused: upstream('The portal refused this'),
  bitrix24_unauthorised: upstream('The portal does not accept our access'),
  bitrix24_unknown: upstream('The portal gave no clear answer'),
};

const ROLES: Record<string, string> = { read_only: '“read only”', operator: '“operator”', owner: '“owner”' };

/** What the forms call their fields. */
const FIELDS: Record<string, string> = {
  token: 'token',
  lineId: 'open line',
  portalId: 'portal',
  name: 'name',
  expiresAt: 'expiry',
  domain: 'portal',
  clientId: 'client id',
  clientSecret: 'client secret',
  operatorNameTemplate: 'line before the answer',
  title: 'title',
  text: 'text',
  shortcut: 'shortcut',
  language: 'language',
  welcomeText: 'welcome text',
  retentionDays: 'days to keep',
  q: 'search words',
  from: 'from',
  to: 'to',
};
