"""Commands that put a bundle to the test on a log."""

from pathlib import Path
from typing import Annotated

import typer

from cli import show
from cli.show import Json

Bundle = Annotated[Path, typer.Argument(help="Folder of the bundle.")]
State = Annotated[
    Path | None,
    typer.Option("--state", help="An earlier log, counted first and not scored. Without it, counts start empty."),
]


def score_file(
    bundle: Bundle,
    log: Annotated[Path, typer.Argument(help="Log in Avazu's CSV schema, plain or .gz, with or without clicks.")],
    out: Annotated[Path, typer.Option(help="CSV of id and click_proba, in time order.")],
    state: State = None,
    as_json: Json = False,
) -> None:
    """Score a log in time order on the batch path.

    Example: `ctr score-file bundles/current test.csv --state train.csv --out scores.csv`
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    from model.bundle import load
    from trainer import prepare
    from trainer.score_log import score_log

    served = load(bundle)
    shown = prepare.read_impressions(log)
    earlier = prepare.read_impressions(state) if state else None
    schema = pa.schema([("id", pa.string()), ("click_proba", pa.float64())])
    options = pa_csv.WriteOptions(quoting_style="needed")
    with show.progress() as stage, pa_csv.CSVWriter(out, schema, write_options=options) as file:
        for hour in score_log(served, shown, earlier, stage("score", len(shown))):
            ids = hour.impressions.column("id").combine_chunks()
            file.write_table(pa.table([ids, pa.array(hour.click_probas)], schema=schema))
    show.result("Scored", {"scores": str(out), "impressions": len(shown), "model_version": served.version}, as_json)


def evaluate(
    bundle: Bundle,
    log: Annotated[Path, typer.Argument(help="Click log in Avazu's CSV schema, plain or .gz.")],
    out: Annotated[Path, typer.Option(help="The report, one HTML file.")],
    from_hour: Annotated[
        int | None, typer.Option(help="First hour (YYMMDDHH) judged. Default: the first not trained on.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="What `ctr simulate --truth` wrote: says how far from the truth the scores are.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge a bundle on the hours of a log that it was not trained on: figures, intervals, plots, by day and by slice.

    Earlier hours of the log are counted, so that counts are those of the stream.

    Example: `ctr evaluate bundles/current train.csv --out report.html`
    """
    import msgspec
    import numpy as np
    import pyarrow as pa

    from model.bundle import load
    from schemas import hours
    from trainer import prepare, report
    from trainer.score_log import score_log
    from trainer.truth import read_truth

    served = load(bundle)
    first = hours.from_index(hours.index(served.card.trained_through) + 1) if from_hour is None else from_hour
    labelled = pa.Table.from_pandas(prepare.read_log(log), preserve_index=False)
    start = int(np.searchsorted(labelled.column("hour").to_numpy(), first))
    test = labelled.slice(start)
    if not len(test):
        raise ValueError(f"{log}: no rows from hour {first} on; choose an earlier --from-hour")
    with show.progress() as stage:
        scored = list(score_log(served, test, labelled.slice(0, start), stage("score", len(test))))
        clicks = test.column("click").to_numpy().astype(np.int8)
        scores = np.concatenate([hour.click_probas for hour in scored])
        true_probas = read_truth(truth, test.column("id")) if truth else None
        found = report.parts(test, np.concatenate([hour.rows for hour in scored]), clicks, scores, true_probas)
    title = f"Bundle {served.version} on {log.name} from {first}"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(report.html(title, found, clicks, scores), encoding="utf-8")
    whole = found["All"][0]
    figures = {"report": str(out)} | msgspec.structs.asdict(whole.quality)
    if truth:
        figures |= {"logloss_of_truth": whole.truth_logloss, "excess": whole.excess}
    show.result("Judged", figures, as_json)
