from stj_model.run_dir import Run


def write_report(run: Run) -> None:
    return
