import { BUSINESS_METHODS } from './business.methods.js';
import type { CallParams } from './call.params.js';
import { CHAT_METHODS } from './chat.methods.js';
import { EDIT_METHODS } from './edit.methods.js';
import { MANAGED_METHODS } from './managed.methods.js';
import { SEND_METHODS } from './send.methods.js';
import type { SimulatedBot } from './simulated.bot.js';

/** One method: its result, or a promise of it, or a thrown BotApiError. */
export type BotApiMethod = (bot: SimulatedBot, params: CallParams) => unknown;

const UPDATE_METHODS: Readonly<Record<string, BotApiMethod>> = {
  getMe: (bot) => bot.user,
  getUpdates: (bot, params) => bot.getUpdates(params),
  setWebhook: (bot, params) => bot.setWebhook(params),
  deleteWebhook: (bot, params) => bot.deleteWebhook(params),
  getWebhookInfo: (bot) => bot.webhookInfo,
};

/** The methods this server knows, by their names in lower case: method names are case-insensitive. */
export const BOT_API_METHODS: ReadonlyMap<string, BotApiMethod> = new Map(
  [UPDATE_METHODS, SEND_METHODS, EDIT_METHODS, CHAT_METHODS, BUSINESS_METHODS, MANAGED_METHODS]
    .flatMap((methods) => Object.entries(methods))
    .map(([name, method]) => [name.toLowerCase(), method]),
);
