import { Logger } from '@nestjs/common';

const logger = new Logger('CallNotes');

/**
 * Stores what an answer of Bitrix24 says beside its outcome. The outcome is known by then, so failing to store it is
 * logged and changes nothing; undefined: it could not be stored.
 */
export async function noteBesideCall<Result>(write: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await write();
  } catch (error) {
    logger.warn(`Could not store what an answer of Bitrix24 says about its limits: ${String(error)}`);
    return undefined;
  }
}
