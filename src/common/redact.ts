/** Bot tokens as they stand in URLs, `/bot123456:AA…/`, whatever their length, and in texts, `123456:AA…`. */
const BOT_TOKEN = /(?<=\/bot)\d+:[^/\s"]+|(?<!\d)\d{3,}:[A-Za-z0-9_-]{8,}/g;
const CREDENTIAL_PARAMETER =
  /((?:access_token|refresh_token|client_secret|application_token|auth|AUTH_ID|REFRESH_ID|code|secret|state)=)[^&\s"]+/gi;

/** `user:password@` of an address: of a proxy, of the database. */
const USER_INFORMATION = /(?<=:\/\/)[^/\s"@]+:[^/\s"@]*(?=@)/gi;

/** A text from outside, safe for logs and for the history: bot tokens, passwords and credential parameters are blanked. */
export function redact(text: string): string {
  return text
    .replace(USER_INFORMATION, '[secret]')
    .replace(BOT_TOKEN, '[bot token]')
    .replace(CREDENTIAL_PARAMETER, '$1[secret]');
}
