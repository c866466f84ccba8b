import type { BotApiMethod } from './bot-api.methods.js';

/** What a manager bot asks about the bots that people made through it. */
export const MANAGED_METHODS: Readonly<Record<string, BotApiMethod>> = {
  getManagedBotToken: (bot, params) => bot.managedBots.token(bot, params),
  replaceManagedBotToken: (bot, params) => bot.managedBots.newToken(bot, params),
};
