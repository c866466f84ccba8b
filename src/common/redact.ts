/** Bot tokens as they stand in URLs, `/bot123456:AA…/`, whatever their length, and in texts, `123456:AA…`. */
const BOT_TOKEN = /(?<=\/bot)\d+(?::|%3A)[^/\s"]+|(?<!\d)\d{3,}:[A-Za-z0-9_-]{8,}/gi;
/** Keys of the admin API, see admin/access-key.ts. */
const ACCESS_KEY = /\btol_[A-Za-z0-9_-]{20,}/g;
const CREDENTIAL_PARAMETER =
  /((?:access_token|refresh_token|client_secret|application_token|auth|AUTH_ID|REFRESH_ID|code|secret|state)=)[^&\s"]+/gi;

/** `user:password@` of an address: of a proxy, of the database. */
const USER_INFORMATION = /(?<=:\/\/)[^/\s"@]+:[^/\s"@]*(?=@)/gi;

/** A text from outside, safe for logs and for the history: bot tokens, passwords, keys of ours and credential parameters are blanked. */
export function redact(text: string): string {
  return text
    .replace(USER_INFORMATION, '[secret]')
    .replace(BOT_TOKEN, '[bot token]')
    .replace(ACCESS_KEY, '[access key]')
    .replace(CREDENTIAL_PARAMETER, '$1[secret]');
}

/** Names of fields that open a door: `token`, `botToken`, `clientSecret`, `client_secret`, `key`, … */
const SECRET_FIELD = /(?:token|secret|key|password|credential|authorization)s?$/i;

/** A copy that may be kept: fields whose name says that they are secret are left out, texts are {@link redact}ed. */
export function withoutSecrets<Value>(value: Value): Value {
  return safe(value) as Value;
}

function safe(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(safe);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !SECRET_FIELD.test(name))
      .map(([name, inner]) => [name, safe(inner)]),
  );
}
