import { Injectable } from '@nestjs/common';

/** Whether this process was told to end. It still takes requests for a moment, until load balancers have noticed. */
@Injectable()
export class ShutdownState {
  private begun = false;

  get isShuttingDown(): boolean {
    return this.begun;
  }

  /** From now on `/health/ready` is 503 and answers end their connections. */
  begin(): void {
    this.begun = true;
  }
}
