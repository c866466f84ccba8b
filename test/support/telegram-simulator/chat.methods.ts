import type { File, ReactionType, ReactionTypeEmoji, UserProfilePhotos } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { BotApiMethod } from './bot-api.methods.js';
import type { CallParams } from './call.params.js';
import type { SimulatedBot } from './simulated.bot.js';

/** The emoji a bot can react with (core.telegram.org/bots/api#reactiontypeemoji). */
export const REACTION_EMOJI: ReadonlySet<string> = new Set(
  (
    '👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 ' +
    '👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡'
  ).split(' ') as ReactionTypeEmoji['emoji'][],
);
/** Characters of the text that answers a pressed button. */
const CALLBACK_TEXT = 200;

export const CHAT_METHODS: Readonly<Record<string, BotApiMethod>> = {
  setMessageReaction,
  setMyCommands,
  getMyCommands: (bot) => bot.commands,
  answerCallbackQuery,
  getChat,
  getFile,
  getUserProfilePhotos,
};

function setMessageReaction(bot: SimulatedBot, params: CallParams): true {
  const reaction = readReaction(params);
  const chat = bot.resolveChat(params);
  const messageId = params.integer('message_id', 0);
  if (!chat.find(messageId)) throw badRequest('message to react not found');
  chat.reactions.set(messageId, reaction);
  bot.journal.reacted(bot, chat.id, messageId, reaction);
  return true;
}

function readReaction(params: CallParams): ReactionType[] {
  const value = params.json('reaction', 'reaction types') ?? [];
  if (!Array.isArray(value)) throw badRequest('expected an Array of ReactionType');
  if (value.length > 1) throw badRequest('REACTIONS_TOO_MANY');
  const reaction = value as ReactionType[];
  for (const item of reaction) {
    if (item.type === 'paid') throw badRequest('REACTION_INVALID');
    if (item.type === 'emoji' && !REACTION_EMOJI.has(item.emoji)) throw badRequest('REACTION_INVALID');
  }
  return reaction;
}

function setMyCommands(bot: SimulatedBot, params: CallParams): true {
  const commands = params.json('commands', 'commands') ?? [];
  if (!Array.isArray(commands)) throw badRequest('expected an Array of BotCommand');
  for (const { command, description } of commands as { command?: string; description?: string }[]) {
    if (!/^[a-z0-9_]{1,32}$/.test(command ?? '')) throw badRequest('BOT_COMMAND_INVALID');
    if (!description || description.length > 256) throw badRequest('BOT_COMMAND_DESCRIPTION_INVALID');
  }
  bot.commands = commands;
  return true;
}

function answerCallbackQuery(bot: SimulatedBot, params: CallParams): true {
  if (params.text('text').length > CALLBACK_TEXT) throw badRequest('MESSAGE_TOO_LONG');
  bot.callbackQueries.answer(params.text('callback_query_id'));
  return true;
}

/** A group that was upgraded is still answered for, under its old id. */
function getChat(bot: SimulatedBot, params: CallParams) {
  const { chat } = bot.findChat(params.integer('chat_id', 0)) ?? bot.resolveChat(params);
  const [photo] = bot.findClient(chat.id)?.profilePhotos ?? [];
  const [small, big] = [photo?.at(0), photo?.at(-1)];
  const chatPhoto = small &&
    big && {
      small_file_id: small.file_id,
      small_file_unique_id: small.file_unique_id,
      big_file_id: big.file_id,
      big_file_unique_id: big.file_unique_id,
    };
  const accepted_gift_types = {
    unlimited_gifts: true,
    limited_gifts: true,
    unique_gifts: true,
    premium_subscription: true,
    gifts_from_channels: true,
  };
  return {
    ...chat,
    ...(chatPhoto && { photo: chatPhoto }),
    accepted_gift_types,
    max_reaction_count: 11,
    accent_color_id: Math.abs(chat.id) % 7,
  };
}

function getFile(bot: SimulatedBot, params: CallParams): File {
  if (!params.has('file_id')) throw badRequest('file_id not specified');
  return bot.files.locate(params.text('file_id'));
}

/** Somebody who hides the photos has none. */
function getUserProfilePhotos(bot: SimulatedBot, params: CallParams): UserProfilePhotos {
  const userId = params.integer('user_id', 0);
  if (userId <= 0) throw badRequest('invalid user_id specified');
  const client = bot.findClient(userId);
  if (!client && userId !== bot.id) throw badRequest('user not found');
  const photos = client?.profilePhotos ?? [];
  const offset = params.integer('offset', 0, 0);
  const limit = params.integer('limit', 100, 1, 100);
  return { total_count: photos.length, photos: photos.slice(offset, offset + limit) };
}
