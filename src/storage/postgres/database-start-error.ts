import { StartError } from '../../common/start-error.js';

/** The database of DATABASE_URL cannot be used, and waiting would not change that. */
export class DatabaseStartError extends StartError {
  override readonly name = 'DatabaseStartError';
}
