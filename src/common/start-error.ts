/** The program cannot start as it is set up. The message is for a person: what is wrong and what to do about it. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}
