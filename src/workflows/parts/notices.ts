import { CancellationScope } from '@temporalio/workflow';
import type { Notification } from '../../activities/contracts.ts';
import { runActivity } from './activities.ts';
import type { Board } from './board.ts';
import { isOutsideFailure } from './problems.ts';

/**
 * Tells people what happens, beside the walk: a message under way holds nothing up, and one that fails for good is
 * noted in the status instead of failing the operation. A cancelled operation still says that it ended.
 */
export class Notices {
  readonly #board: Board;
  readonly #underWay = new Set<Promise<void>>();

  constructor(board: Board) {
    this.#board = board;
  }

  /** Sends one message; before the site is known there is nobody to send it to. */
  send(notification: Omit<Notification, 'site' | 'operationId'>): void {
    if (!this.#board.siteIsKnown) return;
    const { site, workflowId } = this.#board.status;
    const input = {
      site: this.#board.site,
      notification: { ...notification, site, operationId: workflowId },
    };
    const sending = CancellationScope.nonCancellable(async () => {
      try {
        await runActivity('notify', input, `Tell people: ${notification.title}`);
      } catch (error) {
        if (!isOutsideFailure(error)) throw error;
        this.#board.ignore(`notify ${notification.kind}`, null, 'no channel took the message');
      }
    });
    this.#underWay.add(sending);
    void sending.finally(() => this.#underWay.delete(sending));
  }

  /** Sends the last message once all before it are out or given up, so that nobody reads the end first, and waits for it. */
  async end(notification: Omit<Notification, 'site' | 'operationId'>): Promise<void> {
    await this.settled();
    this.send(notification);
    await this.settled();
  }

  /** Waits until every message is out or given up. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }
}
