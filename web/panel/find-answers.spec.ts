import { expect, it } from 'vitest';
import { findAnswers } from './find-answers.js';

const ANSWERS = [
  { title: 'Opening hours', shortcut: 'hours', text: 'We are open from nine to five.' },
  { title: 'Delivery', shortcut: 'delivery', text: 'Two days. Opening the parcel is free.' },
  { title: 'Расчёт цены', shortcut: null, text: 'Пришлите размеры.' },
  { title: 'Price list', shortcut: 'open', text: '' },
];
const found = (asked: string) => findAnswers(ANSWERS, asked).map(({ title }) => title);

it.each([
  ['', ['Opening hours', 'Delivery', 'Расчёт цены', 'Price list']],
  [' ', ['Opening hours', 'Delivery', 'Расчёт цены', 'Price list']],
  ['open', ['Price list', 'Opening hours', 'Delivery']],
  ['/OPEN', ['Price list', 'Opening hours', 'Delivery']],
  ['del', ['Delivery']],
  ['days parcel', ['Delivery']],
  ['расчет', ['Расчёт цены']],
  ['hours nine', ['Opening hours']],
  ['nothing', []],
])('%j finds %j', (asked, titles) => expect(found(asked)).toEqual(titles));
