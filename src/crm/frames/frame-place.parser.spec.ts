import { expect, it } from 'vitest';
import { subjectOf } from './frame-place.parser.js';

it.each([
  ['CRM_DEAL_DETAIL_TAB', { ID: '7' }, { entity: { type: 'deal', id: '7' } }],
  ['CRM_LEAD_DETAIL_TAB', { ID: 7 }, { entity: { type: 'lead', id: '7' } }],
  ['CRM_DYNAMIC_183_DETAIL_TAB', { ID: '5' }, { entity: { type: 'dynamic_183', id: '5' } }],
  ['CRM_SMART_INVOICE_DETAIL_TAB', { ID: '5' }, { entity: { type: 'dynamic_31', id: '5' } }],
  ['CRM_DEAL_DETAIL_TAB', { ID: '0' }, 'unsaved'],
  ['CRM_DEAL_DETAIL_TAB', {}, 'unsaved'],
  ['CRM_DEAL_DETAIL_TAB', { ID: '7 OR 1' }, 'unsaved'],
  ['CRM_WHATEVER_DETAIL_TAB', { ID: '7' }, null],
  ['CRM__DETAIL_TAB', { ID: '7' }, null],
  ['IM_SIDEBAR', { dialogId: 'chat12' }, { dialog: '12' }],
  ['IM_TEXTAREA', { dialogId: '12' }, null],
  ['IM_SIDEBAR', { dialogId: 'chat0' }, null],
  ['DEFAULT', { ID: '7' }, null],
  ['', {}, null],
])('%s with %j stands in %j', (name, options, subject) => expect(subjectOf({ name, options })).toEqual(subject));
