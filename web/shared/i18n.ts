import { shallowRef } from 'vue';

export type Language = 'en' | 'ru';

/** The first of the browser's languages that we speak. */
export function browserLanguage(): Language {
  const spoken = navigator.languages.map((language) => language.slice(0, 2).toLowerCase());
  return spoken.find((language) => language === 'ru' || language === 'en') === 'ru' ? 'ru' : 'en';
}

/** "1,024 messages": the form for the number from `# message|# messages`, in Russian `one|few|many`. */
export function plural(language: Language, count: number, forms: string): string {
  const [one = '', few = one, many = few] = forms.split('|');
  const rule = new Intl.PluralRules(language).select(count);
  const form = rule === 'one' ? one : rule === 'few' || language === 'en' ? few : many;
  return form.replace('#', new Intl.NumberFormat(language).format(count));
}

/**
 * Texts of a page in the language that is chosen; a language is loaded when it is first spoken. Reading a property in
 * a template makes it change with the language. Call `speak` before the first is read.
 */
export function createTexts<Texts extends object>(languages: Record<Language, () => Promise<Texts>>) {
  const language = shallowRef<Language>('en');
  const texts = shallowRef<Texts>();
  return {
    language,
    texts: new Proxy({} as Texts, {
      get: (_, name) => texts.value?.[name as keyof Texts],
    }),
    async speak(wanted: Language): Promise<void> {
      texts.value = await languages[wanted]();
      language.value = wanted;
      document.documentElement.lang = wanted;
    },
  };
}
