from catenary_conformance.model.sessions import SessionsModel


def model() -> SessionsModel:
    found = SessionsModel(["/configs"])
    for session_id, colour in (("a", "red"), ("b", "blue"), ("c", "red")):
        found.created(session_id, colour, f"request-{session_id}")
    return found


def test_a_list_has_the_open_sessions_of_a_colour_oldest_first() -> None:
    sessions = model()
    sessions.sessions["a"].closed = True
    assert sessions.listed("red") == ["c"]
    assert sessions.listed("blue") == ["b"]


def test_search_paths_append_replace_and_fall_back_to_the_roots() -> None:
    sessions = model()
    assert sessions.search("a", ["/configs/x"], append=True) == ["/configs", "/configs/x"]
    assert sessions.search("a", ["/configs/y"], append=False) == ["/configs/y"]
    assert sessions.search("a", [], append=True) == ["/configs/y"]
    assert sessions.search("a", [], append=False) == ["/configs"]
    assert sessions.sessions["b"].search_paths == ["/configs"]


def test_a_request_is_remembered_with_what_it_asked_for() -> None:
    assert model().requests["request-b"] == ("blue", "b")
