import { fieldsOf, scalar } from '../../bitrix/php-values.reader.js';

/** The `auth` block of an event. ONAPPUNINSTALL carries no access token; only lifecycle events a refresh token. */
export interface EventAuth {
  memberId?: string;
  applicationToken?: string;
  accessToken?: string;
  refreshToken?: string;
  /** Seconds until the access token expires. */
  expiresIn?: number;
  domain?: string;
  serverEndpoint?: string;
  scope?: string;
}

/** Null: the event has no such block, or an empty one. */
export function parseAuth(value: unknown): EventAuth | null {
  const fields = fieldsOf(value);
  if (!fields || Object.keys(fields).length === 0) return null;
  const expiresIn = Number(scalar(fields.expires_in));
  const auth: Record<keyof EventAuth, string | number | undefined> = {
    memberId: scalar(fields.member_id),
    applicationToken: scalar(fields.application_token),
    accessToken: scalar(fields.access_token),
    refreshToken: scalar(fields.refresh_token),
    expiresIn: expiresIn > 0 ? expiresIn : undefined,
    domain: scalar(fields.domain),
    serverEndpoint: scalar(fields.server_endpoint),
    scope: scalar(fields.scope),
  };
  return Object.fromEntries(Object.entries(auth).filter(([, field]) => field !== undefined && field !== ''));
}
