import type { Params } from './php-encoding.js';

/** A refusal by the REST interface: `{"error", "error_description"}` with its HTTP status. */
export class RestError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    description: string,
    readonly extra: Params = {},
  ) {
    super(description);
  }

  /** The JSON body, also used as the value in a batch's `result_error`. */
  get body(): Params {
    return { error: this.code, error_description: this.message, ...this.extra };
  }
}

/** 400 `ERROR_ARGUMENT` for a parameter that is missing or empty. */
export function argumentMissing(argument: string): RestError {
  return new RestError(400, 'ERROR_ARGUMENT', `Argument '${argument}' is null or empty`, { argument });
}

/** Error texts of the imconnector module (its English phrase file, `lang/en/lib/library.php`). */
export const CONNECTOR_ERRORS = {
  NOT_ACTIVE_LINE: 'Open Channel with this ID is inactive or does not exist.',
  IMCONNECTOR_NO_CORRECT_PROVIDER: 'Cannot find a matching connector provider',
  CHAT_RENAMING_FAILED: 'Chat renaming failed',
  APPLICATION_REGISTRATION_ERROR_POINT: 'Application registration error. Connector ID cannot contain dots (.).',
  APPLICATION_UNREGISTRATION_ERROR: 'Error unregistering app',
  CONNECTOR_ID_REQUIRED: 'The connector ID is not specified',
  NAME_REQUIRED: 'Connector name is not specified',
  ICON_REQUIRED: 'Connector icon is not specified',
  NO_PLACEMENT_HANDLER: 'Cannot get the embedding handler URL',
} as const;

/** 400 with a code of the imconnector module. */
export function connectorError(code: keyof typeof CONNECTOR_ERRORS): RestError {
  return new RestError(400, code, CONNECTOR_ERRORS[code]);
}
