import { fieldsOf, fieldsOfText, languageCode, word } from '../../bitrix/php-values.reader.js';

/**
 * Reads the form that Bitrix24 makes a user's browser post into a frame of ours: the installation page, the
 * application itself or a placement (apidocs.bitrix24.com, "Simplified OAuth for applications opened in Bitrix24").
 * It travels through the browser, so nothing in it is believed before Bitrix24 confirmed the token.
 */
export interface Frame {
  /** AUTH_ID and REFRESH_ID: tokens of the user who opened the page. */
  accessToken: string;
  refreshToken?: string;
  /** AUTH_EXPIRES: seconds. */
  expiresIn: number;
  /** APPLICATION_TOKEN; older boxes do not send it. APP_SID in the query is something else. */
  applicationToken?: string;
  serverEndpoint?: string;
  scope?: string;
  /** Of the portal, as the form claims. */
  memberId?: string;
  /** Host (and port) that the frame claims to be on. */
  domain?: string;
  /** LANG as the portal names it, lower case: `en`, `ru`, `kz` … */
  language: string;
  placement: PlacementOptions;
  /** Name of the place that the frame stands in, upper case, and all that the form says of it. */
  place: { name: string; options: Readonly<Record<string, unknown>> };
}

/** PLACEMENT_OPTIONS of SETTING_CONNECTOR, as far as they matter: its flags are asked of imconnector.status instead. */
export interface PlacementOptions {
  connector?: string;
  lineId?: string;
}

/** null: the form has no access token, so it was not posted by Bitrix24. */
export function parseFrame(query: unknown, body: unknown): Frame | null {
  const fields = { ...fieldsOf(query), ...fieldsOf(body) } as Record<string, unknown>;
  const accessToken = word(fields.AUTH_ID);
  if (!accessToken) return null;
  const optional = {
    refreshToken: word(fields.REFRESH_ID),
    applicationToken: word(fields.APPLICATION_TOKEN),
    serverEndpoint: word(fields.SERVER_ENDPOINT),
    scope: word(fields.APPLICATION_SCOPE),
    memberId: word(fields.member_id),
    domain: word(fields.DOMAIN),
  };
  const options = fieldsOfText(fields.PLACEMENT_OPTIONS) ?? {};
  return {
    accessToken,
    expiresIn: positive(fields.AUTH_EXPIRES) ?? 3600,
    language: parseLanguage(fields.LANG),
    placement: parsePlacementOptions(options),
    place: { name: (word(fields.PLACEMENT) ?? '').toUpperCase(), options },
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

/** LANG of a frame's query; `en` when it is missing or no language code. */
export function parseLanguage(value: unknown): string {
  return languageCode(value) ?? 'en';
}

/** Other placements put anything there; without options the page says what is missing. */
function parsePlacementOptions(options: Record<string, unknown>): PlacementOptions {
  const connector = word(options.CONNECTOR)?.toLowerCase();
  const lineId = word(options.LINE);
  return {
    ...(connector && { connector }),
    ...(lineId && /^\d{1,18}$/.test(lineId) && lineId !== '0' && { lineId }),
  };
}

function positive(value: unknown): number | undefined {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : undefined;
}
