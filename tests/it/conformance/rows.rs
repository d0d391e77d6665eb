//! The rows of `InvioPrescritto`, §4.2.1.

use tests::upstreams::sac::rules::unpublished;

use super::client::Sac;
use super::invio::{refused, refused_drug, refused_service};
use super::messages::{Body, drug, service};

/// §4.2.1, codProdPrest: mandatory for services.
#[tokio::test]
async fn a_service_without_code_is_refused() {
    let code = unpublished::SERVICE_CODE.code;
    refused_service(|body| body.row("codProdPrest", ""), &[code]).await;
}

/// §4.2.1, descrProdPrest: what the dispenser reads.
#[tokio::test]
async fn a_row_without_description_is_refused() {
    let code = unpublished::DESCRIPTION.code;
    refused_service(|body| body.row("descrProdPrest", ""), &[code]).await;
    refused_drug(|body| body.row("descrGruppoEquival", ""), &[code]).await;
}

/// §4.2.1, codProdPrest and codGruppoEquival: a drug is one of a brand or of a group.
#[tokio::test]
async fn a_drug_without_code_is_refused() {
    refused_drug(
        |body| body.row("codGruppoEquival", ""),
        &[unpublished::DRUG_CODE.code],
    )
    .await;
}

/// §4.2.1 (N.SEDUTE): eight services, by rows or by quantity.
#[tokio::test]
async fn a_ninth_service_is_refused() {
    let code = unpublished::SERVICES_MAX.code;
    refused_service(|body| body.times(9), &[code]).await;
    refused_service(|body| body.row("quantita", "9"), &[code]).await;
    let sac = Sac::start();
    sac.call(&service(&sac.number()).times(8))
        .await
        .assert_done();
}

/// §4.2.1, quantita: of something there is at least one.
#[tokio::test]
async fn a_quantity_of_zero_is_refused() {
    refused_drug(
        |body| body.row("quantita", "0"),
        &[unpublished::QUANTITY.code],
    )
    .await;
}

/// §4.2.1, nonSost and codMotivazione: only with an AIC code, and with a reason.
#[tokio::test]
async fn a_drug_not_to_be_replaced_needs_its_code_and_a_reason() {
    let code = unpublished::NOT_REPLACEABLE.code;
    refused_drug(
        |body| body.row("nonSost", "1").row("codMotivazione", "1"),
        &[code],
    )
    .await;
    refused_drug(
        |body| body.row("nonSost", "1").row("codProdPrest", "035683016"),
        &[code],
    )
    .await;
    let sac = Sac::start();
    let body = drug(&sac.number())
        .row("nonSost", "1")
        .row("codMotivazione", "1");
    sac.call(&body.row("codProdPrest", "035683016"))
        .await
        .assert_done();
}

/// §4.2.1 (N.SEDUTE): sessions for cyclic services only, within their bounds, one cycle a row.
#[tokio::test]
async fn sessions_are_for_cycles_and_within_their_bounds() {
    let sessions = unpublished::SESSIONS.code;
    refused_drug(|body| body.row_end("numsedute", "1"), &[sessions]).await;
    refused_service(|body| body.row_end("numsedute", "1"), &[sessions]).await;
    let cycle = |body: Body| {
        body.row("codProdPrest", "93.15")
            .row("codCatalogoPrescr", "")
    };
    refused_service(|body| cycle(body).row_end("numsedute", "5"), &[sessions]).await;
    refused_service(|body| cycle(body).row_end("numsedute", "0"), &[sessions]).await;
    let quantity = unpublished::QUANTITY.code;
    refused_service(|body| cycle(body).row("quantita", "2"), &[quantity]).await;
    let sac = Sac::start();
    sac.call(&cycle(service(&sac.number())).row_end("numsedute", "4"))
        .await
        .assert_done();
}

/// §4.2.1: fields for drugs only, and for services only.
#[tokio::test]
async fn a_field_of_the_other_kind_is_refused() {
    let code = unpublished::OTHER_KIND.code;
    for field in ["descrTestoLiberoNote", "codCatalogoPrescr", "tipoAccesso"] {
        refused_drug(|body| body.row(field, "1"), &[code]).await;
    }
    for field in [
        "codGruppoEquival",
        "nonSost",
        "motivazNote",
        "codMotivazione",
        "notaProd",
    ] {
        refused_service(|body| body.row(field, "1"), &[code]).await;
    }
}

/// §4.2.1, classePriorita and tipoAccesso: mandatory for the plan on waiting lists.
#[tokio::test]
async fn a_service_of_the_plan_needs_priority_and_access() {
    let code = unpublished::PNGLA.code;
    let visit = |body: Body| {
        body.row("codProdPrest", "89.7A.3")
            .row("codCatalogoPrescr", "")
    };
    refused_service(visit, &[code]).await;
    refused_service(
        |b| visit(b).row("tipoAccesso", "1").with("classePriorita", ""),
        &[code],
    )
    .await;
    let sac = Sac::start();
    sac.call(&visit(service(&sac.number())).row("tipoAccesso", "1"))
        .await
        .assert_done();
}

/// §4.2.1 (***): the catalogue's code fits the nomenclature's, and is mandatory once supplied.
#[tokio::test]
async fn a_catalogue_code_fits_and_is_given_where_there_is_a_catalogue() {
    let code = unpublished::CATALOGUE.code;
    refused_service(|body| body.row("codCatalogoPrescr", "A000000"), &[code]).await;
    let sac = Sac::with(|settings| settings.live.catalogue = true);
    refused(
        &sac,
        &service(&sac.number()).row("codCatalogoPrescr", ""),
        &[code],
    )
    .await;
    sac.call(&service(&sac.number())).await.assert_done();
}

/// §4.2.1, progrPresc: a notice names its row as it was sent; all that is wrong is said.
#[tokio::test]
async fn every_notice_names_its_row() {
    let sac = Sac::start();
    let mut body = service(&sac.number())
        .times(3)
        .with("descrizioneDiagnosi", "");
    for (name, text) in &mut body.rows[1] {
        if name == "quantita" {
            "0".clone_into(text);
        }
    }
    let reply = sac.call(&body).await;
    reply.assert_refused(&["1233", unpublished::QUANTITY.code]);
    assert_eq!(reply.texts("progPresc"), ["0", "2"]);
}
