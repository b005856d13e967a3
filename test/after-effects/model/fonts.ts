/** Fonts of the installation and of the project: `app.fonts`, of After Effects 24 and newer. */
import type { SimProject, SimText } from '../sim-project.ts';
import { textsOf } from './project-texts.ts';

/** Family and style as most PostScript names have them: "OpenSans-BoldItalic". */
export function fontParts(postScriptName: string): {
  readonly fontFamily: string;
  readonly fontStyle: string;
} {
  const [family = '', style = 'Regular'] = postScriptName.split('-', 2);
  const spaced = (name: string) => name.replace(/([a-z])(?=[A-Z])/g, '$1 ');
  return { fontFamily: spaced(family.replace(/(PS)?MT$/, '')), fontStyle: spaced(style) };
}

export class FontObject {
  readonly #name: string;
  readonly #isSubstitute: boolean;

  constructor(name: string, isSubstitute: boolean) {
    this.#name = name;
    this.#isSubstitute = isSubstitute;
  }

  get postScriptName(): string {
    return this.#name;
  }
  get familyName(): string {
    return fontParts(this.#name).fontFamily;
  }
  get styleName(): string {
    return fontParts(this.#name).fontStyle;
  }
  get fullName(): string {
    return `${this.familyName} ${this.styleName}`;
  }
  get isSubstitute(): boolean {
    return this.#isSubstitute;
  }
  get isFromAdobeFonts(): boolean {
    return false;
  }
  get location(): string {
    return '';
  }
}

export class FontsObject {
  readonly #installed: readonly string[];
  readonly #project: () => SimProject;

  constructor(installed: readonly string[], project: () => SimProject) {
    this.#installed = installed;
    this.#project = project;
  }

  get allFonts(): FontObject[][] {
    return this.#installed.map((name) => [new FontObject(name, false)]);
  }
  get missingOrSubstitutedFonts(): FontObject[] {
    const used = textsOf(this.#project()).flatMap(({ font, moreFonts = [] }: SimText) => [
      font,
      ...moreFonts.map((more) => more.font),
    ]);
    return [...new Set(used)]
      .filter((name) => !this.#installed.includes(name))
      .map((name) => new FontObject(name, true));
  }
  getFontsByPostScriptName(name: unknown): FontObject[] {
    return this.#installed.filter((each) => each === name).map((each) => new FontObject(each, false));
  }
  getFontsByFamilyNameAndStyleName(family: unknown, style: unknown): FontObject[] {
    const all = this.#installed.map((name) => new FontObject(name, false));
    return all.filter((font) => font.familyName === family && font.styleName === style);
  }
}
