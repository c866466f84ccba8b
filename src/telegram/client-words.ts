import type { Language } from '../common/language.js';

/** What clients read that nobody wrote. */
interface ClientWords {
  /** Above buttons that come without any words. */
  choose: string;
  /** On the button by which a client shares the own number. */
  sharePhone: string;
  thanksForPhone: string;
  /** Shown for a moment when a button is pressed. */
  buttonTooLate: string;
  thanksForRating: string;
  ratingTooLate: string;
  /** Answers the press of "Unsubscribe", however often. */
  unsubscribed: string;
  /** Answers the same wish in words. */
  unsubscribedByWords: string;
}

export const CLIENT_WORDS: Readonly<Record<Language, ClientWords>> = {
  en: {
    choose: 'Please choose:',
    sharePhone: '📱 Share my phone number',
    thanksForPhone: 'Thank you! We have your phone number now.',
    buttonTooLate: 'This button no longer works. Please write to us instead.',
    thanksForRating: 'Thank you for your rating!',
    ratingTooLate: 'This conversation can no longer be rated.',
    unsubscribed: 'You have unsubscribed and will get no more broadcasts.',
    unsubscribedByWords:
      'You have unsubscribed and will get no more broadcasts. You can still write to us. To subscribe again, send /start.',
  },
  ru: {
    choose: 'Выберите вариант:',
    sharePhone: '📱 Отправить мой номер телефона',
    thanksForPhone: 'Спасибо! Мы получили ваш номер телефона.',
    buttonTooLate: 'Эта кнопка больше не работает. Пожалуйста, напишите нам.',
    thanksForRating: 'Спасибо за оценку!',
    ratingTooLate: 'Этот разговор уже нельзя оценить.',
    unsubscribed: 'Вы отписались и больше не будете получать рассылки.',
    unsubscribedByWords:
      'Вы отписались и больше не будете получать рассылки. Писать нам по-прежнему можно. Чтобы подписаться снова, отправьте /start.',
  },
};
