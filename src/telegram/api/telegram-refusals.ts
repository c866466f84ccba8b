import type { DeliveryProblem } from '../../common/delivery-problem.js';

/** A problem as the Bot API reports it, or as this room finds it before it asks. */
export interface TelegramProblem extends DeliveryProblem {
  /** The `error_code` that always means this, whatever the description says. */
  readonly status?: number;
  /**
   * Parts of descriptions, in lower case: literal ones of tdlib/telegram-bot-api, and names of MTProto errors that it
   * passes through.
   */
  readonly says?: readonly string[];
  /**
   * The part of the message at fault: its words, a file, or only the form (photo, voice) in which the file was sent.
   * Absent: the chat, or nothing in particular.
   */
  readonly fault?: 'words' | 'file' | 'form';
  /** Why the client will see nothing more from this bot in the chat; kept with the chat. */
  readonly unreachable?: string;
}

const REFUSED = { kind: 'refused', scope: 'message' } as const;

/**
 * Refusals by stable code. The first row that fits an answer counts. With status 403 any of them concerns the whole
 * chat; rows without `status` and `says` are found by the program itself.
 */
export const REFUSALS = {
  file_too_large: {
    ...REFUSED,
    status: 413,
    says: ['file is too big'],
    fault: 'file',
    reason: {
      en: 'it is larger than a bot may send (50 MB)',
      ru: 'больше, чем может отправить бот (50 МБ)',
    },
  },
  keyboard_refused: {
    ...REFUSED,
    // The address of a button is refused in the words of any other.
    says: [
      'inline keyboard',
      'keyboard button',
      'reply markup is too long',
      'reply keyboard',
      'button_',
      'can be requested in private',
    ],
    reason: { en: 'Telegram does not accept its buttons', ru: 'Telegram не принимает его кнопки' },
  },
  entities_refused: {
    ...REFUSED,
    // Also what the link of an entity is refused for, such as "Wrong HTTP URL".
    says: ['entity', 'entities', 'custom emoji'],
    fault: 'words',
    reason: { en: 'Telegram does not accept its formatting', ru: 'Telegram не принимает его оформление' },
  },
  bot_blocked: {
    ...REFUSED,
    says: ['blocked by the user'],
    unreachable: 'The client blocked the bot',
    reason: { en: 'the client blocked the bot', ru: 'клиент заблокировал бота' },
  },
  user_deactivated: {
    ...REFUSED,
    says: ['user is deactivated'],
    unreachable: 'The Telegram account was deleted',
    reason: { en: "the client's Telegram account was deleted", ru: 'аккаунт клиента в Telegram удалён' },
  },
  bot_removed: {
    ...REFUSED,
    says: ['kicked', 'not a member', 'group chat was deleted'],
    unreachable: 'The bot was removed from the chat',
    reason: { en: 'the bot was removed from the chat', ru: 'бот удалён из чата' },
  },
  conversation_not_started: {
    ...REFUSED,
    says: ["can't initiate conversation"],
    reason: {
      en: 'the client has not started the bot yet, and a bot cannot write first',
      ru: 'клиент ещё не запускал бота, а бот не может написать первым',
    },
  },
  business_window: {
    ...REFUSED,
    says: ['business_peer_usage_missing'],
    reason: {
      en: 'the client has not written within the last 24 hours; until they do, only the account owner can answer, from their phone',
      ru: 'клиент не писал последние 24 часа, и пока он не напишет, ответить может только владелец аккаунта с телефона',
    },
  },
  business_excluded: {
    ...REFUSED,
    says: ['business_peer_invalid'],
    reason: {
      en: 'the owner of the Telegram Business account has excluded this chat; answer from their phone',
      ru: 'владелец аккаунта Telegram Business исключил этот чат; ответьте с его телефона',
    },
  },
  business_disconnected: {
    ...REFUSED,
    says: ['business_connection_invalid', 'business connection not found'],
    reason: {
      en: 'the Telegram Business account is no longer connected to the bot',
      ru: 'аккаунт Telegram Business больше не подключён к боту',
    },
  },
  business_rights: {
    ...REFUSED,
    says: ['bot_access_forbidden'],
    reason: {
      en: 'the owner of the Telegram Business account has not allowed the bot to do this',
      ru: 'владелец аккаунта Telegram Business не разрешил боту это делать',
    },
  },
  topic_deleted: {
    ...REFUSED,
    says: ['thread not found', 'topic_deleted', 'topic_id_invalid', 'topic not found'],
    reason: {
      en: 'the topic of this dialog was deleted in Telegram',
      ru: 'тема этого диалога удалена в Telegram',
    },
  },
  topic_closed: {
    ...REFUSED,
    says: ['topic_closed'],
    reason: { en: 'the topic of this dialog is closed in Telegram', ru: 'тема этого диалога закрыта в Telegram' },
  },
  quote_refused: { ...REFUSED, says: ['quote'] },
  reply_refused: {
    ...REFUSED,
    says: ['message to be replied', 'reply message', 'reply_message_id_invalid', 'reply_to'],
  },
  not_modified: { ...REFUSED, says: ['message is not modified'] },
  message_gone: {
    ...REFUSED,
    says: ['message to edit not found', 'message to delete not found', 'message_id_invalid'],
    reason: {
      en: 'Telegram no longer has the message',
      ru: 'в Telegram этого сообщения больше нет',
    },
  },
  edit_refused: {
    ...REFUSED,
    says: ["message can't be edited"],
    reason: {
      en: 'Telegram does not allow changes to this message',
      ru: 'Telegram не даёт изменить это сообщение',
    },
  },
  delete_refused: {
    ...REFUSED,
    says: ["message can't be deleted", 'message_delete_forbidden'],
    reason: {
      en: 'Telegram does not allow deleting this message (only within 48 hours after sending)',
      ru: 'Telegram не даёт удалить это сообщение (это возможно только в течение 48 часов после отправки)',
    },
  },
  no_text: { ...REFUSED, says: ['no text in the message'] },
  no_caption: { ...REFUSED, says: ['no caption in the message'] },
  voice_forbidden: {
    ...REFUSED,
    says: ['voice_messages_forbidden'],
    fault: 'form',
    reason: { en: 'the client does not accept voice messages', ru: 'клиент не принимает голосовые сообщения' },
  },
  chat_not_found: {
    ...REFUSED,
    says: ['chat not found', 'user not found', 'peer_id_invalid'],
    reason: {
      en: 'Telegram cannot find this chat for this bot',
      ru: 'Telegram не находит этот чат у бота',
    },
  },
  no_rights: {
    ...REFUSED,
    says: ['not enough rights', 'have no rights', 'chat_write_forbidden', 'chat_restricted', 'chat_send_'],
    reason: { en: 'the bot has no right to write in this chat', ru: 'у бота нет права писать в этот чат' },
  },
  caption_too_long: {
    ...REFUSED,
    says: ['caption is too long', 'caption_too_long'],
    fault: 'words',
    reason: {
      en: 'the caption of a file may have at most 1,024 characters',
      ru: 'подпись к файлу длиннее 1024 символов',
    },
  },
  too_long: {
    ...REFUSED,
    says: ['message is too long', 'text is too long', 'message_too_long'],
    fault: 'words',
    reason: { en: 'the text is too long for Telegram', ru: 'текст слишком длинный для Telegram' },
  },
  group_migrated: {
    ...REFUSED,
    says: ['upgraded to a supergroup'],
    reason: {
      en: 'the group became a supergroup with a new address',
      ru: 'группа стала супергруппой с новым адресом',
    },
  },
  file_id_refused: {
    ...REFUSED,
    says: [
      'wrong remote file identifier',
      'wrong file_id',
      'wrong file identifier',
      'file_reference_',
      "can't use file of type",
    ],
    fault: 'file',
    reason: { en: 'Telegram does not accept it', ru: 'Telegram его не принимает' },
  },
  media_refused: {
    ...REFUSED,
    says: [
      'photo_',
      'image_process_failed',
      'too big for a photo',
      'web page content',
      'webpage_',
      'http url',
      'video_',
      'audio_',
      'media_',
      'file_parts_',
      'the album',
      'as an album',
      "can't be mixed",
      'media group',
      'file must be non-empty',
    ],
    fault: 'form',
    reason: { en: 'Telegram does not accept it', ru: 'Telegram его не принимает' },
  },
  file_empty: { ...REFUSED, fault: 'file', reason: { en: 'it is empty', ru: 'файл пуст' } },
  // Operators read the reason that the portal's table has, or the list of the files.
  file_gone: { ...REFUSED, fault: 'file' },
  files_left_out: REFUSED,
  empty: {
    ...REFUSED,
    reason: { en: 'there is no text that Telegram could show', ru: 'нет текста, который Telegram мог бы показать' },
  },
  edit_uncertain: {
    ...REFUSED,
    reason: {
      en: 'the change needed one more message, and Telegram gave no clear answer to that one',
      ru: 'для правки понадобилось ещё одно сообщение, и на него Telegram не дал ясного ответа',
    },
  },
} as const satisfies Record<string, TelegramProblem>;

/** Stable codes of refusals. */
export type RefusalCode = keyof typeof REFUSALS;
