import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Folders by how long their files wait for the program: retries, leases and looks have their real times. A project's
 * files stand together, because a worker keeps its modules from one file to the next of the same project.
 */
const FOLDERS = ['/test/faults/', '/test/e2e/', '/test/integration/', '/test/support/', '/src/', '/web/'];

/** Those of a folder that take longest, the longest first. */
const LONGEST = [
  'e2e/managed-bots',
  'e2e/triggers',
  'e2e/links',
  'e2e/bad-input',
  'e2e/outcomes',
  'e2e/card',
  'e2e/installation',
  'e2e/conversation',
  'e2e/sessions',
  'e2e/files',
  'e2e/boxes',
  'e2e/secrets',
  'e2e/access',
  'e2e/admin',
  'e2e/robots',
  'e2e/buttons',
  'e2e/rest-requests',
  'e2e/ways-back',
  'e2e/sandbox',
  'e2e/settings',
  'e2e/wrong-keys',
  'e2e/operator-kinds',
  'e2e/phone',
  'e2e/chat-panel',
  'e2e/delivery-reports',
  'integration/send-requests',
  'integration/database-start',
  'integration/broadcasts',
  'integration/migrations',
  'integration/bitrix',
  'integration/connector',
  'integration/database-service',
];

/** Files that wait long begin first, so that none of them is left over for the end. */
export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a.moduleId) - rank(b.moduleId));
  }
}

function rank(file: string): number {
  const folder = FOLDERS.findIndex((part) => file.includes(part));
  const long = LONGEST.findIndex((name) => file.endsWith(`/test/${name}.spec.ts`));
  return folder * (LONGEST.length + 1) + (long >= 0 ? long : LONGEST.length);
}
