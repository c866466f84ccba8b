import { plain } from '../../relay/rich-text.js';
import { truncate } from '../../relay/rich-text-split.js';

/** Fields of Message that describe it and are no content (Bot API 10.3, Message). */
const METADATA = new Set(
  (
    'message_id message_thread_id from sender_chat sender_boost_count sender_business_bot sender_tag date ' +
    'guest_query_id business_connection_id chat is_topic_message direct_messages_topic receiver_user ' +
    'ephemeral_message_id forward_origin is_automatic_forward reply_to_message reply_to_checklist_task_id ' +
    'reply_to_poll_option_id external_reply quote reply_to_story via_bot guest_bot_caller_user ' +
    'guest_bot_caller_chat edit_date has_protected_content show_caption_above_media is_from_offline is_paid_post ' +
    'author_signature link_preview_options effect_id paid_star_count reply_markup caption caption_entities ' +
    'media_group_id has_media_spoiler entities suggested_post_info ' +
    // Removed from the Bot API, still sent by older servers.
    'forward_from forward_from_chat forward_from_message_id forward_signature forward_sender_name forward_date ' +
    'new_chat_member new_chat_participant left_chat_participant'
  ).split(' '),
);

/** Notices of Telegram about itself or the look of a chat: of no use to operators. */
const QUIET_NOTICES = new Set(
  (
    'migrate_to_chat_id migrate_from_chat_id group_chat_created supergroup_chat_created channel_chat_created ' +
    'forum_topic_created forum_topic_edited forum_topic_closed forum_topic_reopened general_forum_topic_hidden ' +
    'general_forum_topic_unhidden message_auto_delete_timer_changed write_access_allowed chat_background_set ' +
    'new_chat_photo delete_chat_photo video_chat_scheduled video_chat_started video_chat_ended ' +
    'video_chat_participants_invited boost_added paid_message_price_changed direct_message_price_changed ' +
    'community_chat_added community_chat_removed community_chat_joined managed_bot_created giveaway_created'
  ).split(' '),
);

/** The field describes a message and is no content. */
export function isMetadata(field: string): boolean {
  return METADATA.has(field);
}

/** The field is a notice of Telegram that is of no use to operators. */
export function isQuietNotice(field: string): boolean {
  return QUIET_NOTICES.has(field);
}

/** Enough of unknown names to look them up, whatever their length and number. */
export function fieldNames(fields: string[]): string {
  return truncate(plain(fields.slice(0, 3).join(', ')), 100).text;
}
