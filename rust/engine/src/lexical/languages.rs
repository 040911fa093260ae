//! Which language texts are written in, told from a sample of them.

use whatlang::Lang;

/// Bytes of text that are judged at once: less says little, more may mix languages.
const PIECE_BYTES: usize = 1000;
/// Pieces that are judged at most.
const PIECES_MAX: usize = 100;
/// From so many letters on a verdict counts though a sister language is nearly as likely: of Danish and Norwegian the
/// detector is never sure.
const LETTERS_ENOUGH: usize = 200;
const CONFIDENCE_MIN: f64 = 0.2;

/// The language of most of the texts, by the name that [`Analyzer::new`](super::Analyzer::new) knows, or `"none"` if
/// there is no such one: too little text, a language without a stemmer, or a mixture.
///
/// Give it texts from all over a collection: it reads no more than the first hundred kilobytes.
pub fn detect<'a>(texts: impl IntoIterator<Item = &'a str>) -> &'static str {
    let mut votes: Vec<(&'static str, usize)> = Vec::new();
    for piece in pieces(texts) {
        let letters = piece.chars().filter(|c| c.is_alphabetic()).count();
        let language = judge(&piece, letters);
        match votes.iter_mut().find(|(voted, _)| *voted == language) {
            Some((_, count)) => *count += letters,
            None => votes.push((language, letters)),
        }
    }
    let total: usize = votes.iter().map(|(_, count)| count).sum();
    let most = votes.into_iter().max_by_key(|&(_, count)| count);
    most.filter(|&(_, count)| count * 2 > total).map_or("none", |(language, _)| language)
}

/// Texts joined, and cut to pieces of a length.
fn pieces<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for text in texts {
        for c in text.chars().chain([' ']) {
            if pieces.last().is_some_and(|piece| piece.len() >= PIECE_BYTES) {
                if pieces.len() == PIECES_MAX {
                    return pieces;
                }
                pieces.push(String::new());
            }
            pieces.last_mut().expect("begins with one").push(c);
        }
    }
    pieces
}

fn judge(piece: &str, letters: usize) -> &'static str {
    let told = whatlang::detect(piece);
    let counts =
        |info: &whatlang::Info| info.is_reliable() || letters >= LETTERS_ENOUGH && info.confidence() >= CONFIDENCE_MIN;
    told.filter(counts).map_or("none", |info| name(info.lang()))
}

fn name(language: Lang) -> &'static str {
    match language {
        Lang::Ara => "arabic",
        Lang::Dan => "danish",
        Lang::Nld => "dutch",
        Lang::Eng => "english",
        Lang::Fin => "finnish",
        Lang::Fra => "french",
        Lang::Deu => "german",
        Lang::Ell => "greek",
        Lang::Hun => "hungarian",
        Lang::Ita => "italian",
        Lang::Nob => "norwegian",
        Lang::Por => "portuguese",
        Lang::Ron => "romanian",
        Lang::Rus => "russian",
        Lang::Spa => "spanish",
        Lang::Swe => "swedish",
        Lang::Tam => "tamil",
        Lang::Tur => "turkish",
        _ => "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexical::Analyzer;

    /// One sentence in every language that has a stemmer: all say that a contract ends with the year.
    const SENTENCES: [(&str, &str); 18] = [
        ("arabic", "ينتهي العقد في نهاية السنة ما لم يتفق الطرفان كتابة على تمديده قبل ذلك بثلاثة أشهر على الأقل"),
        (
            "danish",
            "Aftalen udløber ved årets udgang, medmindre begge parter skriftligt bliver enige om at forlænge den inden da.",
        ),
        (
            "dutch",
            "De overeenkomst eindigt aan het einde van het jaar, tenzij beide partijen schriftelijk afspreken haar te verlengen.",
        ),
        (
            "english",
            "The agreement ends with the year unless both parties agree in writing to extend it three months before that.",
        ),
        (
            "finnish",
            "Sopimus päättyy vuoden lopussa, elleivät molemmat osapuolet sovi kirjallisesti sen jatkamisesta ennen sitä.",
        ),
        (
            "french",
            "Le contrat prend fin avec l'année, à moins que les deux parties ne conviennent par écrit de le prolonger.",
        ),
        (
            "german",
            "Der Vertrag endet mit dem Jahr, wenn nicht beide Seiten sich vorher schriftlich darauf einigen, ihn zu verlängern.",
        ),
        (
            "greek",
            "Η σύμβαση λήγει με το τέλος του έτους, εκτός αν τα δύο μέρη συμφωνήσουν εγγράφως να την παρατείνουν.",
        ),
        (
            "hungarian",
            "A szerződés az év végén lejár, hacsak a két fél előtte írásban meg nem állapodik a meghosszabbításáról.",
        ),
        (
            "italian",
            "Il contratto termina con la fine dell'anno, a meno che entrambe le parti non decidano per iscritto di prorogarlo.",
        ),
        (
            "norwegian",
            "Avtalen utløper ved årets slutt, med mindre begge parter blir skriftlig enige om å forlenge den før det skjer.",
        ),
        (
            "portuguese",
            "O contrato termina no fim do ano, a não ser que ambas as partes concordem por escrito em prorrogá-lo antes disso.",
        ),
        (
            "romanian",
            "Contractul se încheie la sfârșitul anului, dacă ambele părți nu convin în scris să îl prelungească înainte.",
        ),
        (
            "russian",
            "Договор заканчивается в конце года, если обе стороны письменно не договорятся продлить его до этого срока.",
        ),
        (
            "spanish",
            "El contrato termina con el año, a menos que ambas partes acuerden por escrito prorrogarlo tres meses antes.",
        ),
        (
            "swedish",
            "Avtalet upphör vid årets slut om inte båda parter skriftligen kommer överens om att förlänga det dessförinnan.",
        ),
        ("tamil", "இரு தரப்பினரும் எழுத்து மூலம் நீட்டிக்க ஒப்புக்கொள்ளாவிட்டால் ஒப்பந்தம் ஆண்டின் இறுதியில் முடிவடைகிறது."),
        (
            "turkish",
            "Her iki taraf yazılı olarak uzatmayı kabul etmedikçe sözleşme yılın sonunda kendiliğinden sona erer.",
        ),
    ];

    #[test]
    fn every_language_is_told() {
        // Catches a language wired to another's name, and a name that no analyzer has.
        for (language, sentence) in SENTENCES {
            assert_eq!(detect([sentence; 12]), language);
            assert_eq!(Analyzer::new(language).unwrap().language(), language);
        }
    }

    #[test]
    fn what_is_no_one_language_gives_none() {
        // Catches a guess where there is nothing to tell from, and a language whose words would be stemmed by another's rules.
        let english = SENTENCES[3].1;
        let polish = "Umowa kończy się z końcem roku, chyba że obie strony pisemnie uzgodnią jej przedłużenie.";
        let japanese = "契約は、両当事者が書面で延長に合意しない限り、年末に終了します。";
        assert_eq!(detect([]), "none");
        assert_eq!(detect(["", " ", "12.5; 13.75; 1,000"]), "none");
        assert_eq!(detect([polish; 12]), "none");
        assert_eq!(detect([japanese; 12]), "none");
        let mixed: Vec<&str> = SENTENCES.iter().flat_map(|&(_, sentence)| [sentence; 10]).collect();
        assert_eq!(detect(mixed), "none");
        // A little of another language does not matter, wherever it stands.
        let mostly: Vec<&str> = (0..40).map(|at| if at % 10 == 0 { japanese } else { english }).collect();
        assert_eq!(detect(mostly), "english");
    }
}
