/** Codes of why no bots can be made through the manager bot; any other is that of a failed call, such as `401`. */

/** BotFather's "bot management mode" is off. */
export const CANNOT_MANAGE = 'cannot_manage';
/** The bot is among those that serve lines, and updates of one bot have one reader. */
export const SERVES_A_LINE = 'serves_line';
/** Another program has set a webhook. One that was left from before is removed without a word. */
export const WEBHOOK_ELSEWHERE = 'webhook_elsewhere';
/** Another program polls. */
export const CONFLICT = '409';
/** No process has read its updates yet. */
export const NOT_READ = 'not_read';
