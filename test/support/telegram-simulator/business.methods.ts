import type { BusinessConnection } from '@grammyjs/types';
import type { BotApiMethod } from './bot-api.methods.js';
import type { CallParams } from './call.params.js';
import { readMessageIds } from './edit.methods.js';
import type { SimulatedBot } from './simulated.bot.js';

export const BUSINESS_METHODS: Readonly<Record<string, BotApiMethod>> = {
  getBusinessConnection: (bot, params): BusinessConnection => bot.businessAccount(params).connection,
  readBusinessMessage,
  deleteBusinessMessages,
};

function readBusinessMessage(bot: SimulatedBot, params: CallParams): true {
  bot.businessAccount(params).marksRead(params.integer('chat_id', 0), params.integer('message_id', 0));
  return true;
}

function deleteBusinessMessages(bot: SimulatedBot, params: CallParams): true {
  const messageIds = readMessageIds(params);
  bot.businessAccount(params).deletesMessages(messageIds);
  return true;
}
